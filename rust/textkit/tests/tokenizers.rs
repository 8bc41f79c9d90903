//! What the C++ tests under tests/text cannot see: the crate works without its C face.

use textkit::tokenizer::{Parse, Tokenizer};

const FILE: &str = r#"{"version": "1.0",
  "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
  "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null,
              "pad_id": 0, "pad_type_id": 0, "pad_token": "a"},
  "added_tokens": [{"id": 3, "content": "<e>", "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": true, "special": true}],
  "model": {"type": "BPE", "dropout": 1.0, "vocab": {"a": 0, "b": 1, "ab": 2, "<": 5, "e": 6, ">": 7},
            "merges": ["a b"]}}"#;

#[test]
fn neither_truncation_nor_padding_nor_dropout() {
    let tokenizer = Tokenizer::from_json(FILE.as_bytes(), &[]).unwrap();
    assert_eq!(tokenizer.encode("ababab", true, Parse::Nothing).unwrap(), [2, 2, 2]);
}

#[test]
fn shields_go_as_they_came() {
    let tokenizer = Tokenizer::from_json(FILE.as_bytes(), &[]).unwrap();
    assert_eq!(tokenizer.encode("a<e>", false, Parse::All).unwrap(), [0, 3]);
    assert_eq!(tokenizer.encode("a<e>", false, Parse::Nothing).unwrap(), [0, 5, 6, 7]);
    let shielded = tokenizer.shield("<e>b");
    let text = format!("<e>{shielded}<e>");
    let ids = tokenizer.encode(&text, false, Parse::Unshielded).unwrap();
    assert_eq!(ids, [3, 5, 6, 7, 1, 3]);
}
