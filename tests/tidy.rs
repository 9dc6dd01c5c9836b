//! The rules of the house that no compiler checks: floors, purity, sizes, and what stands at the top of a file.
//!
//! Each rule was seen to fail once by breaking it; `rules_notice_what_they_forbid` keeps that so.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use syn::{spanned::Spanned, visit::Visit};

/// Which modules a module may use: those on floors below its own. The ground first.
const FLOORS: [(&str, u8); 29] = [
    ("proto", 0),
    ("model", 0),
    ("history", 0),
    ("sabotage", 1),
    ("wire", 1),
    ("task", 1),
    ("registry", 2),
    ("member", 2),
    ("agreed", 3),
    ("distro", 3),
    ("push", 3),
    ("health", 3),
    ("polling", 3),
    ("node", 4),
    ("runtime", 5),
    ("metrics", 5),
    ("connection", 6),
    ("datagram", 6),
    ("peer", 6),
    ("raft", 7),
    ("grpc", 8),
    ("http", 8),
    ("config", 9),
    ("server", 10),
    ("bench", 10),
    ("chaos", 11),
    ("cli", 12),
    ("lib", 13),
    ("main", 13),
];

/// Floors up to this one are pure: values without sockets, files, clocks or tasks.
const PURE: u8 = 4;
/// What must not be named on the pure floors.
const IMPURE: [&str; 10] = [
    "tokio",
    "tonic",
    "hyper",
    "axum",
    "std::fs",
    "std::net::Tcp",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::thread",
    "HashMap",
];
/// Names that say nothing.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "common", "manager", "helper"];

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

fn sources(root: &str) -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a text");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(root), &mut found);
    found.sort();
    assert!(!found.is_empty(), "{root} has sources");
    found
}

/// The module a file below `src` belongs to.
fn module(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("below src");
    let first = below.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Tests at the end of a file, and whole files of tests, may use what they like.
fn without_tests<'a>(path: &Path, text: &'a str) -> &'a str {
    if path.to_string_lossy().ends_with("_test.rs") {
        return "";
    }
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// The modules of this crate a text uses, read from `crate::` paths and the groups behind them.
fn used_modules(text: &str) -> Vec<String> {
    let mut used = Vec::new();
    for rest in text.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut name) = (0, String::new());
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => used.push(std::mem::take(&mut name)),
                    c if depth == 0 && !c.is_whitespace() => name.push(c),
                    _ => {}
                }
            }
            used.push(name);
        } else {
            used.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    used.into_iter()
        .map(|path| path.split("::").next().unwrap_or_default().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn floor_faults(module: &str, text: &str) -> Vec<String> {
    let floors: BTreeMap<&str, u8> = FLOORS.into_iter().collect();
    let Some(own) = floors.get(module) else { return vec![format!("{module} has no floor")] };
    let mut faults = Vec::new();
    for used in used_modules(text) {
        let Some(floor) = floors.get(used.as_str()) else { continue };
        if used != module && floor >= own {
            faults.push(format!("{module} (floor {own}) uses {used} (floor {floor})"));
        }
    }
    if *own <= PURE && module != "proto" {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let banned = IMPURE.iter().find(|banned| line.contains(**banned));
            faults.extend(banned.map(|banned| format!("{module} is pure and names {banned}: {}", line.trim())));
        }
    }
    faults
}

#[test]
fn floors_hold() {
    let faults: Vec<String> =
        sources("src").iter().flat_map(|(path, text)| floor_faults(&module(path), without_tests(path, text))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    for (path, text) in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        assert!(text.lines().count() <= FILE_LINES, "{} has more than {FILE_LINES} lines", path.display());
        assert!(text.starts_with("//!") || text.starts_with("#!"), "{} does not say what it is for", path.display());
        let name = path.file_stem().expect("a name").to_string_lossy();
        assert!(!EMPTY_NAMES.contains(&&*name), "{} has a name that says nothing", path.display());
    }
}

/// Finds functions that are too long.
struct Lengths {
    longest: Vec<(String, usize)>,
}

impl Lengths {
    fn measure(&mut self, name: &syn::Ident, block: &syn::Block) {
        let lines = block.span().end().line - block.span().start().line + 1;
        if lines > FUNCTION_LINES {
            self.longest.push((name.to_string(), lines));
        }
    }
}

impl<'ast> Visit<'ast> for Lengths {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig.ident, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig.ident, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

fn long_functions(text: &str) -> Vec<(String, usize)> {
    let file = syn::parse_file(text).expect("Rust");
    let mut lengths = Lengths { longest: Vec::new() };
    lengths.visit_file(&file);
    lengths.longest
}

#[test]
fn functions_are_short() {
    for (path, text) in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        assert_eq!(long_functions(&text), [], "{}", path.display());
    }
}

#[test]
fn no_test_sleeps_to_wait_for_something() {
    for (path, text) in sources("tests").into_iter().chain(sources("src")) {
        let slept = text.lines().filter(|line| line.contains("thread::sleep(") && !line.contains("contains("));
        assert_eq!(slept.count(), 0, "{}", path.display());
    }
}

#[test]
fn the_changelog_has_its_form() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("CHANGELOG.md")).expect("a changelog");
    assert!(text.starts_with("# Changelog\n"), "begins with its title");
    assert!(text.contains("\n## Unreleased\n") || text.contains(concat!("\n## ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn rules_notice_what_they_forbid() {
    assert_eq!(used_modules("use crate::{\n model::{A, B},\n wire::C,\n}; crate::push::D"), ["model", "wire", "push"]);
    assert_eq!(floor_faults("registry", "use crate::push::Push;").len(), 1);
    assert_eq!(floor_faults("registry", "use crate::{model::A, node::{B, C}};").len(), 1);
    assert_eq!(floor_faults("push", "use crate::registry::Registry;"), [""; 0]);
    assert_eq!(floor_faults("registry", "use tokio::sync::Notify;").len(), 1);
    assert_eq!(floor_faults("registry", "// tokio is not used here"), [""; 0]);
    assert_eq!(floor_faults("nowhere", "").len(), 1);
    let long = format!("fn f() {{\n{}}}", "let _ = 1;\n".repeat(FUNCTION_LINES));
    assert_eq!(long_functions(&long).len(), 1);
    assert_eq!(long_functions("fn f() {}"), []);
}
