use proptest::prelude::*;

use crate::content::layers::{Allowance, Layer, Limits, Unwrapper, KINDS};

/// All forms, with their layers' names.
fn forms(value: &[u8]) -> Vec<(String, Vec<&'static str>)> {
    let mut found = Vec::new();
    Unwrapper::new(Limits::default()).unwrap(
        value,
        &mut Allowance::default(),
        &mut |form, layers| {
            let names = layers.iter().map(|layer| layer.name()).collect();
            found.push((super::text(form), names));
            true
        },
    );
    found
}

fn holds(value: &[u8], form: &str, layers: &[&'static str]) -> bool {
    forms(value)
        .iter()
        .any(|found| found.0 == form && found.1 == layers)
}

#[test]
fn each_layer_comes_off() {
    for (value, form, layer) in [
        (&b"a%27%20or+1"[..], "a\\' or 1", "url"),
        (b"%u0027%uFF1Cx%zz", "\\'\\xef\\xbc\\x9cx%zz", "percent-u"),
        (
            b"\\u003cb\\u{3e}\\x41\\n\\'\\q",
            "<b>A\\n\\'\\\\q",
            "escapes",
        ),
        (b"1\\047 or\\0401\\48", "1\\' or 1\\\\48", "escapes"),
        (b"\\ud83d\\ude00", "\\xf0\\x9f\\x98\\x80", "escapes"),
        (
            b"&lt;b&gt x&#39;&#x0000027;&#39&colon;&nope;",
            "<b> x\\'\\'\\':&nope;",
            "html",
        ),
        (
            b"..\xc0\xaf\xe0\x80\xae\xf0\x80\x80\xafx",
            "../.\\xc0",
            "overlong",
        ),
        (
            b"\xef\xbc\x9cscript\xef\xbc\x9e\xef\xbd\x81",
            "<script>a",
            "wide",
        ),
        (
            b"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
            "<script>alert(1)</script>",
            "base64",
        ),
        (b"OyBsczsgaWQ=", "; ls; id", "base64"),
        (b"YGlkYA", "`id`", "base64"),
        (
            b"x: PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg",
            "x: <script>alert(1)</script>",
            "base64",
        ),
        // Short, and all there is.
        (b"MSBPUiAxPTE=", "1 OR 1=1", "base64"),
        (b"PHN2Zz4=", "<svg>", "base64"),
        (b"{\"a\":[\"x y\",1],\"b\":{\"c\":\"z\"}}", "z", "json"),
    ] {
        let form = if layer == "overlong" { ".././x" } else { form };
        assert!(
            holds(value, form, &[layer]),
            "{}: {:?}",
            value.escape_ascii(),
            forms(value)
        );
    }
}

#[test]
fn layers_come_off_one_after_another() {
    assert!(holds(b"%2526lt;", "<", &["url", "url", "html"]));
    assert!(holds(
        b"{\"a\":\"\\\\u003c%41\"}",
        "<A",
        &["json", "url", "escapes"]
    ));
    // base64 of "%3Cscript%3Ealert"
    assert!(holds(
        b"JTNDc2NyaXB0JTNFYWxlcnQ=",
        "<script>alert",
        &["base64", "url"]
    ));
    assert!(holds(b"%c0%af", "/", &["url", "overlong"]));
}

#[test]
fn plain_values_hold_nothing() {
    for value in [
        &b""[..],
        b"O'Brien",
        b"a sentence of some words, with a dot.",
        b"100 % of them",
        b"R&D",
        b"C:\\Users",
        b"3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        b"internationalization",
        b"password",
        b"true",
        b"Tm9uZQ==",
        b"12345678",
        b"\xe4\xbd\xa0\xe5\xa5\xbd",
        b"a+b=c",
    ] {
        assert_eq!(forms(value), [], "{}", value.escape_ascii());
    }
}

#[test]
fn limits_hold() {
    let mut forms = 0;
    let mut bytes = 0;
    let limits = Limits::default();
    let deep = format!("%{}41", "25".repeat(limits.depth + 1));
    let whole = Unwrapper::new(limits).unwrap(
        deep.as_bytes(),
        &mut Allowance::default(),
        &mut |_, layers| {
            forms += 1;
            layers.len() <= limits.depth * KINDS
        },
    );
    assert!(!whole && forms == limits.depth);

    let wild = "%25%u0025&amp;\\x25\\u0026\u{ff05}{[".repeat(2000);
    Unwrapper::new(limits).unwrap(
        wild.as_bytes(),
        &mut Allowance::default(),
        &mut |form, _| {
            bytes += form.len();
            true
        },
    );
    assert!(bytes > 0 && bytes <= wild.len() * 8 + limits.work);
}

#[test]
fn many_layers_of_one_kind_come_off_and_one_too_many_is_told() {
    let attack = "<script>alert(1)</script>";
    for layer in [Layer::Base64, Layer::Url, Layer::Html, Layer::Escapes] {
        let depth = Limits::default().depth;
        let mut value = attack.to_owned();
        for layers in 1..=depth + 1 {
            value = wrap(layer, &value);
            // All of it in another form grows by more than is looked at.
            if value.len() > 4096 {
                break;
            }
            let mut seen = false;
            let whole = Unwrapper::new(Limits::default()).unwrap(
                value.as_bytes(),
                &mut Allowance::default(),
                &mut |form, _| {
                    seen |= form == attack.as_bytes();
                    true
                },
            );
            let within = layers <= depth;
            assert_eq!(
                (seen, whole),
                (within, within),
                "{layers} of {}",
                layer.name()
            );
        }
    }
}

#[test]
fn what_else_is_wrapped_hides_nothing() {
    let decoy = format!("%{}41 ", "25".repeat(Limits::default().depth - 1));
    let seen = |value: &str, wanted: &str| {
        let mut seen = false;
        let mut visit = |form: &[u8], _: &[Layer]| {
            seen |= form.ends_with(wanted.as_bytes());
            true
        };
        Unwrapper::default().unwrap(value.as_bytes(), &mut Allowance::default(), &mut visit);
        seen
    };
    for length in [0, 1_000, 20_000, 100_000] {
        let prose = "words ".repeat(length / 6);
        let html = "&#38;lt;script>";
        let base64 = wrap(Layer::Base64, "x; cat /etc/passwd");
        assert!(
            seen(&format!("{decoy}{prose}{html}"), "<script>"),
            "{length}"
        );
        for (attack, wanted) in [(html, "<script>"), (&*base64, "x; cat /etc/passwd")] {
            let two = serde_json::json!({ "t": format!("{decoy}{prose}"), "u": attack });
            assert!(seen(&two.to_string(), wanted), "{length} {wanted}");
        }
    }
}

/// Four layers side by side, each more than once.
const MIXED: &str = "%2525%u0025&amp;amp;\\\\x41\u{ff05}";

#[test]
fn no_form_is_told_twice() {
    let mut told = std::collections::BTreeSet::new();
    let mut visit = |form: &[u8], _: &[Layer]| {
        assert!(told.insert(form.to_vec()), "{}", form.escape_ascii());
        true
    };
    Unwrapper::default().unwrap(MIXED.as_bytes(), &mut Allowance::default(), &mut visit);
    assert!(told.len() > 8);
}

#[test]
fn many_values_cost_no_more_than_their_bytes_allow() {
    let (mut most, mut told) = (0, 0);
    let mut allowance = Allowance::default();
    let mut unwrapper = Unwrapper::default();
    for number in 0..20_000 {
        let mut here = 0;
        let mut visit = |_: &[u8], _: &[Layer]| {
            here += 1;
            true
        };
        unwrapper.unwrap(
            format!("{MIXED}{number}").as_bytes(),
            &mut allowance,
            &mut visit,
        );
        told += here;
        most = most.max(here);
        // However many there were: what is wrapped in each comes out.
        assert!(here >= 2, "{number}");
    }
    assert!(most > 20 && told < 20_000 * 10, "{most} {told}");
}

#[test]
fn a_visitor_that_wants_no_more_ends_it() {
    let mut seen = 0;
    let whole = Unwrapper::default().unwrap(
        b"[\"%2541\",\"%41\"]",
        &mut Allowance::default(),
        &mut |_, _| {
            seen += 1;
            seen < 2
        },
    );
    assert!(whole);
    assert_eq!(seen, 2);
}

fn wrap(layer: Layer, text: &str) -> String {
    match layer {
        Layer::Url => text.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        Layer::Html => text
            .chars()
            .map(|char| format!("&#{};", u32::from(char)))
            .collect(),
        Layer::Escapes => text
            .chars()
            .map(|char| format!("\\u{{{:x}}}", u32::from(char)))
            .collect(),
        Layer::Json => serde_json::json!({ "a": [text] }).to_string(),
        Layer::PercentU => text
            .encode_utf16()
            .map(|unit| format!("%u{unit:04X}"))
            .collect(),
        Layer::Base64 => {
            let mut out = Vec::new();
            crate::base64::encode(text.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        }
        _ => unreachable!("not generated"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_was_wrapped_is_found(
        text in "[ -~]{1,20}",
        layers in prop::collection::vec(
            prop_oneof![
                Just(Layer::Url), Just(Layer::Html), Just(Layer::Escapes), Just(Layer::Json), Just(Layer::PercentU)
            ], 1..3),
    ) {
        let wrapped = layers.iter().fold(text.clone(), |text, layer| wrap(*layer, &text));
        let outermost_first: Vec<&str> = layers.iter().rev().map(|layer| layer.name()).collect();
        let found = forms(wrapped.as_bytes());
        let wanted = super::text(text.as_bytes());
        prop_assert!(
            found.iter().any(|(form, layers)| *form == wanted && *layers == outermost_first),
            "{wrapped}: {found:?}"
        );
    }

    #[test]
    fn nothing_that_comes_breaks_it(value in prop::collection::vec(any::<u8>(), 0..200)) {
        forms(&value);
    }
}
