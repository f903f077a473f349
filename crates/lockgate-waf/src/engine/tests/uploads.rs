//! What of a body is a file.

use super::*;

fn uploads(kind: &str, body: &str) -> Vec<(String, String)> {
    let [engine, _] = both("SecAction \"id:1,phase:2,pass\"");
    let inspection = inspect(&engine, &post(kind, body), 0);
    let told = inspection.uploads();
    told.map(|upload| (upload.place, body[upload.bytes].to_owned()))
        .collect()
}

fn part(head: &str, content: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
}

const FORM: &str = "multipart/form-data; boundary=b";

#[test]
fn files_of_forms_are_told_whole_and_by_their_places() {
    let long = "x".repeat(super::super::body::MAX_FILE_BYTES + 10);
    let body = [
        part("name=\"note\"", "words"),
        part("name=\"a\"; filename=\"a.png\"", &long),
        part("name=\"b\"; filename=\"\"", "nameless"),
        part("name=\"empty\"; filename=\"c\"", ""),
        part("name=\"d/e\"; filename=\"d\"", "slash"),
        part("name=\"typed\"\r\nContent-Type: image/png", "picture"),
        part("name=\"text\"\r\nContent-Type: Text/plain", "text"),
        part("name=\"json\"\r\nContent-Type: application/json", "{}"),
        "--b--\r\n".to_owned(),
    ];
    let told = uploads(FORM, &body.concat());
    let told: Vec<_> = told
        .iter()
        .map(|(place, file)| (place.as_str(), file.as_str()))
        .collect();
    let wanted = [
        ("file/a", long.as_str()),
        ("file/b", "nameless"),
        ("file/d~1e", "slash"),
        ("body/typed", "picture"),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn a_body_that_nothing_reads_is_a_file() {
    let whole = [("body".to_owned(), "some bytes".to_owned())];
    for kind in [
        "application/octet-stream",
        "image/png",
        "text/plain",
        "nonsense",
    ] {
        assert_eq!(uploads(kind, "some bytes"), whole, "{kind}");
    }
    for (kind, body) in [
        ("application/json", "{}"),
        ("application/x-www-form-urlencoded", "a=b"),
        ("application/xml", "<a/>"),
        ("application/octet-stream", ""),
    ] {
        assert_eq!(uploads(kind, body), [], "{kind}");
    }
}

#[test]
fn nothing_is_left_of_the_request_before() {
    let [engine, _] = both("SecAction \"id:1,phase:2,pass\"");
    for (body, wanted) in [("bytes", 1), ("", 0)] {
        let asked = post("application/octet-stream", body);
        let inspection = inspect(&engine, &asked, 0);
        assert_eq!(inspection.uploads().count(), wanted);
    }
}
