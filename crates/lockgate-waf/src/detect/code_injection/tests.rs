use crate::detect::cases::{are_found, pass};
use crate::detect::Where;

#[test]
fn statements_that_run_something_are_found() {
    are_found(
        &super::DETECTOR,
        Where::Parameter,
        &[
            "system('id')",
            "';phpinfo();//",
            "1;phpinfo()",
            "${@print(system('id'))}",
            "\".system('cat /etc/hosts').\"",
            "__import__('os').system('id')",
            "require('child_process').execSync('id').toString()",
            "global.process.mainModule.require('child_process').exec('id')",
            "java.lang.Runtime.getRuntime().exec(\"id\")",
            "new java.lang.ProcessBuilder('id').start()",
            "subprocess.check_output(['id'])",
            "<?php system($_GET['c']); ?>",
            "<?=`id`?>",
            "print(foo(system('id')))",
            "x\" + require('fs').readFileSync('/x') + \"",
            "';exit(md5('x'));#",
            "a;die(sha1('x'));//",
            "print(md5(\"x\"))",
            "eval(base64_decode('cGhwaW5mbygp'))",
        ],
    );
}

#[test]
fn code_that_is_shown_passes() {
    pass(
        &super::DETECTOR,
        Where::Parameter,
        &[
            "print('hello')",
            "f(x) = sin(x) + 1",
            "items.filter(x => x.price > 3)",
            "call me (or text) later",
            "The call os.system('ls') runs a command in a shell",
            "const fs = require('fs');\nfs.readFileSync('a.txt');\nconsole.log('done');",
            "regex.exec('abc')",
            "sleep (8 hours) is what I need",
            "see open(2) and exec(3)",
            "Math.max(1, 2)",
            "node -e \"require('fs').rmSync('dist', {recursive: true})\"",
            "exit(0)",
            "process.exit(1)",
            "sys.exit(main())",
            "print(len('abc'))",
            "clock.sleep(5)",
            "Pages in PHP begin with <?php and end with ?>",
        ],
    );
}
