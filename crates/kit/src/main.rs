//! `puro-kit`: see `spec/kit.md`.

fn main() {
    if std::env::args().nth(1).as_deref() == Some("vectors") {
        for (name, text) in puro_kit::vectors::make::all() {
            let path = puro_kit::vectors::folder().join(format!("{name}.jsonl"));
            std::fs::create_dir_all(puro_kit::vectors::folder()).unwrap();
            println!("{name} {} {}", text.lines().count(), text.len());
            std::fs::write(path, text).unwrap();
        }
        return;
    }
    let stdin = std::io::stdin().lock();
    puro_kit::driver::Driver::default().serve(stdin, std::io::stdout().lock()).unwrap();
}
