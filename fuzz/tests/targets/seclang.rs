//! Fuzz targets for rule files.

use bolero::check;
use lockgate_fuzz::seclang::{rules, PIECES};

#[test]
fn raw_rules() {
    check!().for_each(|input: &[u8]| rules(input));
}

#[test]
fn rules_of_pieces() {
    check!().with_type::<Vec<u8>>().for_each(|picks| {
        let pieces = picks
            .iter()
            .map(|pick| PIECES[usize::from(*pick) % PIECES.len()]);
        rules(pieces.collect::<String>().as_bytes());
    });
}

#[test]
fn patterns_of_pieces() {
    check!().with_type::<Vec<u8>>().for_each(|picks| {
        let pieces = picks
            .iter()
            .map(|pick| PIECES[usize::from(*pick) % PIECES.len()]);
        let pattern: String = pieces.filter(|piece| piece.len() < 10).collect();
        let pattern = pattern.replace(['"', '\n'], "");
        rules(format!("SecRule ARGS|TX:/{pattern}/ \"@rx {pattern}\" \"id:1,t:none\"").as_bytes());
    });
}
