use tool_core::{toolbox, tools};

#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
struct Point {
    x: i32,
    y: i32,
}

#[toolbox]
impl Point {
    /// Add a point to this one.
    #[tool]
    async fn add(&self, other: Self) -> Self {
        Self {
            x: self.x + other.x,
            y: self.y + other.y,
        }
    }

    /// Find the largest of some points.
    #[tool]
    fn largest(&self, others: &[Self], limit: Option<&Self>, list: Vec<Self>) -> Option<Self> {
        others
            .iter()
            .chain(limit)
            .chain(&list)
            .chain([self])
            .max_by_key(|point| point.x + point.y)
            .cloned()
    }

    /// Add whole points.
    #[tool]
    async fn add_whole(#[state] this: &Self, #[args] other: Self) -> Self {
        Self {
            x: this.x + other.x,
            y: this.y + other.y,
        }
    }

    /// Move along.
    #[tool]
    fn move_along(&self, #[arg(default = Self::ORIGIN)] from: Self) -> i32 {
        self.x - from.x
    }

    const ORIGIN: Self = Self { x: 0, y: 0 };
}

#[test]
fn is_accepted() {
    assert_eq!(tools![Point].with_state(Point::ORIGIN).len(), 4);
}
