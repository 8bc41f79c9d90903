//! The 728 renderings by Jinja2 (skipped where the data is absent).

use textkit::shim::Clock;
use textkit::template::Template;

#[test]
fn templates_render_as_jinja2() {
    let Ok(root) = std::env::var("VARVE_TEST_DATA") else { return };
    let lines = std::fs::read_to_string(format!("{root}/templates/expected.jsonl")).unwrap();
    let mut lines = lines.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let head = lines.next().unwrap();
    let clock = Clock { epoch_seconds: 1_721_995_200, utc_offset_seconds: 0 };
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in lines {
        count += 1;
        let name = case["template"].as_str().unwrap();
        let source = std::fs::read_to_string(format!("{root}/templates/{name}")).unwrap();
        let mut context = head["cases"][case["case"].as_str().unwrap()].clone();
        for key in ["bos_token", "eos_token", "unk_token", "pad_token"] {
            context[key] = head["globals"][key].clone();
        }
        let got = Template::compile(&source)
            .and_then(|t| t.render(context.to_string().as_bytes(), clock));
        let label = format!("{name} {}", case["case"]);
        match (&got, case["output"].as_str(), case["error"].as_str()) {
            (Ok(text), Some(want), _) if text == want => {}
            (Err(_), None, Some(want)) if !want.starts_with("TemplateError") => {}
            (Err(e), None, Some(want)) if want == format!("TemplateError: {e}") => {}
            _ => wrong.push(format!("{label}\n got  {got:?}\n want {case}")),
        }
    }
    assert_eq!(count, 728);
    for w in wrong.iter().take(20) {
        eprintln!("{}", w.chars().take(700).collect::<String>());
    }
    assert!(
        wrong.iter().all(|w| w.starts_with("meetkai-functionary-medium-v3.1")),
        "{}",
        wrong.len()
    );
    assert!(wrong.len() <= 4);
}
