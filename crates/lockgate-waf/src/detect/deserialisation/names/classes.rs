//! Classes that do harm when an object of them is made.

use crate::bytes::ByteSet;

/// Classes that run what they are given, or fetch it.
pub(super) const CLASSES: [&[u8]; 20] = [
    b"java.lang.Runtime",
    b"java.lang.ProcessBuilder",
    b"java.lang.ProcessImpl",
    b"java.lang.UNIXProcess",
    b"java.net.URLClassLoader",
    b"javax.script.ScriptEngineManager",
    b"javax.naming.InitialContext",
    b"javax.management.BadAttributeValueExpException",
    b"com.sun.rowset.JdbcRowSetImpl",
    b"com.sun.org.apache.xalan",
    b"com.mchange.v2.c3p0",
    b"org.apache.commons.collections.functors",
    b"org.apache.xbean.propertyeditor",
    b"org.codehaus.groovy.runtime",
    b"org.springframework.context.support",
    b"org.springframework.beans.factory",
    b"System.Diagnostics.Process",
    b"System.Windows.Data.ObjectDataProvider",
    b"System.Configuration.Install.AssemblyInstaller",
    b"System.Activities.Presentation.WorkflowDesigner",
];

/// How they begin.
pub(super) const BEGIN: ByteSet = {
    let mut begin = ByteSet::NONE;
    let mut at = 0;
    while at < CLASSES.len() {
        begin = begin.union(&ByteSet::of(CLASSES[at].split_at(1).0));
        at += 1;
    }
    begin
};
