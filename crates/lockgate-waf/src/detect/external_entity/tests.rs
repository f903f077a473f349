use crate::detect::cases::{are_found, pass};
use crate::detect::Where;

#[test]
fn entities_that_are_fetched_are_found() {
    are_found(
        &super::DETECTOR,
        Where::Parameter,
        &[
            "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
            "<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://files.example/a.dtd'> %p;]>",
            "<!DOCTYPE a [<!ENTITY x PUBLIC \"-//A//B\" \"http://files.example/x\">]>",
            "<!doctype a system \"http://files.example/a.dtd\"><a/>",
            "<!DOCTYPE a [<!ENTITY b \"x\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>",
            "<!ENTITY % start \"<![CDATA[\">",
            "<?xml version=\"1.0\" encoding=\"UTF-7\"?><a/>",
            "+ADw-+ACE-DOCTYPE a+AFs-+ADw-+ACE-ENTITY x SYSTEM +ACI-file:///etc/passwd+ACI-+AD4-+AF0-+AD4-",
            "<a xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"file:///etc/hosts\" parse=\"text\"/></a>",
        ],
    );
}

#[test]
fn documents_that_fetch_nothing_pass() {
    pass(
        &super::DETECTOR,
        Where::Parameter,
        &[
            "<!DOCTYPE html><html><body>Hello</body></html>",
            "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">",
            "<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\">",
            "<!DOCTYPE a [<!ENTITY name \"Lockgate\">]><a>&name;</a>",
            "Readers that know <!ENTITY x SYSTEM \"file:///etc/passwd\"> are to be set up with care",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>",
            "1+1 is 2, +ADw- is a sign in UTF-7",
            "a < b, and the system says \"no\"",
        ],
    );
}

#[test]
fn style_sheets_and_documents_by_any_prefix_are_found() {
    let mut texts = Vec::new();
    for prefix in ["xi", "x", "xsl", "xs", "wsdl"] {
        for word in ["include", "import"] {
            texts.push(format!("<{prefix}:{word} href=\"http://a.example/x\"/>"));
            texts.push(format!(
                "<a><{prefix}:{word} namespace='b' schemaLocation='file:///x'/></a>"
            ));
        }
    }
    for name in ["value-of", "copy-of", "variable name='a'"] {
        for computed in [
            "document('/etc/passwd')",
            "unparsed-text('/x')",
            "system-property('xsl:vendor')",
            "php:function('f','x')",
            "rt:exec($r,'id')",
        ] {
            texts.push(format!("<xsl:{name} select=\"{computed}\"/>"));
            texts.push(format!(
                "<t:template match=\"/\"><t:{name} select=\"{computed}\"/>"
            ));
        }
    }
    texts.push("<msxsl:script language=\"C#\" implements-prefix=\"u\">x</msxsl:script>".into());
    texts.push("<?xml-stylesheet type=\"text/xsl\" href=\"http://a.example/x.xsl\"?><a/>".into());
    for text in &texts {
        are_found(&super::DETECTOR, Where::Parameter, &[text]);
    }
    let good = [
        "<xsl:value-of select=\"user/name\"/>",
        "<?xml-stylesheet type=\"text/css\" href=\"https://a.example/x.css\"?><a/>",
        "<?xml-stylesheet type=\"text/xsl\" href=\"feed.xsl\"?><rss/>",
        "<svg:image href=\"a.png\"/>",
        "<dc:import date=\"2024\"/>",
        "in XSLT you write it as <xsl:include href=\"a.xsl\"/> at the top",
        "<std::vector<int>> includes; a = document(b);",
    ];
    pass(&super::DETECTOR, Where::Parameter, &good);
}
