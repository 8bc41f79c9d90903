//! Files made to exhaust the stack, the memory or the time: an error each.

use textkit::error::{Kind, TextError};
use textkit::template::Template;
use textkit::tokenizer::Tokenizer;

fn refusal(template: &str) -> TextError {
    match Template::compile(template) {
        Ok(_) => panic!("compiled: {}", &template[..template.len().min(60)]),
        Err(e) => e,
    }
}

#[test]
fn long_chains_are_refused() {
    let chains = [
        format!("{{{{ {}1 }}}}", "-".repeat(100_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(50_000)),
        format!("{{{{ messages{} }}}}", "+1".repeat(100_000)),
        format!("{{{{ messages{} }}}}", "~1".repeat(100_000)),
        format!("{{{{ messages{} }}}}", "|string".repeat(100_000)),
        format!("{{{{ messages{} }}}}", "[0]".repeat(100_000)),
        format!("{{{{ messages{} }}}}", ".a".repeat(100_000)),
        format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(50_000)),
        format!("{{{{ [{{'a': {{}}}}, {}1] }}}}", "-".repeat(100_000)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif b %}".repeat(20_000)),
        format!("{{# '{{{{ #}}{{% raw %}}{{{{ '{{% endraw %}}{{{{ {}1 }}}}", "-".repeat(100_000)),
    ];
    for chain in chains {
        let error = refusal(&chain);
        assert_eq!(error.kind, Kind::Limit, "{}", error.message);
        assert!(error.message.contains("recurses too deep"), "{}", error.message);
    }
}

#[test]
fn what_real_templates_do_passes() {
    for source in [
        "",
        "{",
        "{% if a %}x{% elif b %}y{% endif %}",
        "{# {{ #}",
        "{{ \"}}\" }}",
        "{{ {'a': {}} }}",
    ] {
        assert!(Template::compile(source).is_ok(), "{source}");
    }
    assert!(Template::compile(&"{% if a %}{{ b }}{% endif %}".repeat(5000)).is_ok());
}

#[test]
fn the_longest_that_pass_fit_the_stack() {
    for (before, link, after, count) in [
        ("{{ ", "-", "1 }}", 2000),
        ("{{ ", "not ", "1 }}", 2000),
        ("{{ messages", "+1", " }}", 1000),
        ("{{ messages", "|string", " }}", 1000),
        ("{{ messages", "[0]", " }}", 650),
        ("{% if a %}", "{% elif b %}", "{% endif %}", 1000),
    ] {
        let source = format!("{before}{}{after}", link.repeat(count));
        let _ = Template::compile(&source).and_then(|t| {
            t.render(b"{}", textkit::shim::Clock { epoch_seconds: 0, utc_offset_seconds: 0 })
        });
    }
}

fn with(part: &str) -> Result<Tokenizer, TextError> {
    let model = r#""model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}"#;
    Tokenizer::from_json(format!(r#"{{"version": "1.0", {part}, {model}}}"#).as_bytes(), &[])
}

#[test]
fn steps_that_grow_a_text_without_bound_are_refused() {
    let long = "a".repeat(1000);
    let replace = |content: &str| {
        format!(r#"{{"type": "Replace", "pattern": {{"String": "a"}}, "content": "{content}"}}"#)
    };
    let piece = r#"{"Sequence": {"id": "A", "type_id": 0}}"#;
    let twelve = [replace("aa").as_str()].repeat(12).join(",");
    for part in [
        format!(r#""normalizer": {}"#, replace(&long)),
        format!(r#""normalizer": {{"type": "Sequence", "normalizers": [{twelve}]}}"#),
        format!(r#""normalizer": {{"type": "Prepend", "prepend": "{}"}}"#, long.repeat(10)),
        format!(r#""decoder": {{"type": "Sequence", "decoders": [{twelve}]}}"#),
        r#""normalizer": {"type": "Precompiled", "precompiled_charsmap": "////////////////"}"#
            .into(),
        format!(
            r#""post_processor": {{"type": "TemplateProcessing", "single": [{}], "pair": [], "special_tokens": {{}}}}"#,
            [piece].repeat(10_000).join(",")
        ),
        format!(
            r#""post_processor": {{"type": "TemplateProcessing", "single": [{piece},{piece}], "pair": [], "special_tokens": {{}}}}"#
        ),
    ] {
        match with(&part) {
            Ok(_) => panic!("loaded: {}", &part[..part.len().min(80)]),
            Err(e) => assert_eq!(e.kind, Kind::Limit, "{}", e.message),
        }
    }
    assert!(with(&format!(r#""normalizer": {}"#, replace("▁"))).is_ok());
}

#[test]
fn a_replacement_beside_every_byte_and_hidden_steps_are_counted() {
    let step = r#"{"type":"Replace","pattern":{"String":""},"content":"a"}"#;
    let many = vec![step; 64].join(",");
    for normalizer in [
        format!(r#"{{"type":"Sequence","normalizers":[{many}]}}"#),
        format!(r#"{{"type":"Sequence","decoders":[],"normalizers":[{many}]}}"#),
        format!(r#"{{"type":"Sequence","normalizers":[{}]}}"#, many.replace("\"type\":\"Replace\",", "")),
        format!(r#"{{"type":"Sequence","normalizers":[{}]}}"#, many.replace("\"type\"", "\"normalizers\":[],\"type\"")),
    ] {
        let json = format!(r#"{{"normalizer":{normalizer},"model":{{"type":"BPE","vocab":{{"a":0}},"merges":[]}}}}"#);
        assert!(Tokenizer::from_json(json.as_bytes(), &[]).is_err());
    }
}
