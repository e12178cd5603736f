use tool_core::{toolbox, tools};

struct Db;

#[toolbox]
impl Db {
    /// Count the rows.
    #[tool]
    fn rows(&self) -> u32 {
        12
    }
}

mod storage {
    pub(super) use super::Db;
}

fn toolset() {
    let _ = tools![Db::rows];
    let _ = tools![storage::Db::rows];
}

fn main() {}
