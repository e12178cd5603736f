use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;
use tool_core::{Provide, ToolSet, toolbox, tools};

trait Repo: Send + Sync + 'static {
    type Row: serde::de::DeserializeOwned + schemars::JsonSchema + serde::Serialize + Send;

    fn rows(&self) -> Vec<Self::Row>;
}

struct Memory;

impl Repo for Memory {
    type Row = u8;

    fn rows(&self) -> Vec<u8> {
        vec![1, 2, 3]
    }
}

struct Hospital<R: Repo> {
    repo: R,
}

#[toolbox]
impl<R: Repo> Hospital<R> {
    /// List the rows.
    #[tool]
    async fn list_rows(&self) -> Vec<R::Row> {
        self.repo.rows()
    }

    /// Count the rows.
    #[tool]
    fn count_rows(&self, #[arg(default = 1, range(1..=9))] page: usize) -> usize {
        self.repo.rows().len() / page
    }

    /// Put a row, whose type depends on the parameter of this one's.
    #[tool]
    async fn put_row(&self, row: R::Row, #[arg(length(..=3))] more: Option<Vec<R::Row>>) -> usize {
        let _ = row;
        more.map_or(1, |more| more.len() + 1)
    }
}

struct Labels<T, const N: usize>
where
    T: Display,
{
    label: PhantomData<fn() -> T>,
}

#[toolbox]
impl<T, const N: usize> Labels<T, N>
where
    T: Display + 'static,
{
    /// Count the labels.
    #[tool]
    async fn count_labels(&self) -> usize {
        let _ = self.label;
        N
    }
}

fn of_any<S: Provide<Hospital<Memory>> + Send + Sync + 'static>() -> ToolSet<S> {
    tools![Hospital<Memory>]
}

#[test]
fn is_accepted() {
    let hospital = Arc::new(Hospital { repo: Memory });
    assert_eq!(
        tools![Hospital<Memory>]
            .with_state(Arc::clone(&hospital))
            .len(),
        3
    );
    assert_eq!(
        of_any::<Arc<Hospital<Memory>>>().with_state(hospital).len(),
        3
    );
    assert_eq!(
        tools![Labels<String, 4>]
            .with_state(Labels::<String, 4> { label: PhantomData })
            .len(),
        1
    );
}
