//! Kept few: the C++ tests under tests/text hold the tokenizers to their goldens.

use textkit::tokenizer::{Parse, Tokenizer};

fn main_like(name: &str) -> Option<Tokenizer> {
    let root = std::env::var("VARVE_TEST_DATA").ok()?;
    let json = std::fs::read(format!("{root}/tokenizers/{name}/tokenizer.json")).ok()?;
    Some(Tokenizer::from_json(&json, &[]).unwrap())
}

#[test]
fn probe() {
    for n in ["llama2","mistral","phi-3-mini","t5-small","gpt2","clip","qwen2.5","llama3","deepseek-llm","all-MiniLM-L6-v2"] {
        let t0 = std::time::Instant::now();
        let t = main_like(n).unwrap();
        eprintln!("{n} {} load {:?} unk {:?}", t.vocab_size(), t0.elapsed(), 0);
        for x in ["Hello world </s> <s>[CLS] <|im_start|> <|endoftext|> <0x0A> <unk> <pad> Führer 日本語🦙", "<|eot_id|><extra_id_0></s>"] {
            for p in [Parse::All, Parse::Nothing, Parse::Unshielded] {
                let xs = if p == Parse::Unshielded { t.shield(x) } else { x.into() };
                let ids = t.encode(&xs, true, p).unwrap();
                eprintln!("  {p:?} {:?}", ids.iter().map(|&i| t.piece(i).unwrap()).collect::<Vec<_>>().join(" "));
                eprintln!("     {:?}", t.decode(&ids, true).unwrap());
                assert!(p == Parse::All || !t.encode(&xs, false, p).unwrap().iter().any(|&i| t.is_control(i) && t.piece(i).unwrap()!="<unk>"&& t.piece(i).unwrap()!="[UNK]"));
            }
        }
    }
}
