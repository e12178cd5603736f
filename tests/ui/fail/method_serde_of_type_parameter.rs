use tool_core::toolbox;

struct Hospital<T>(T);

#[toolbox]
impl<T: serde::de::DeserializeOwned + schemars::JsonSchema + Send + Sync + 'static> Hospital<T> {
    /// Count the beds.
    #[tool]
    async fn count_beds(&self, #[schemars(extend("examples" = [1]))] ward: Vec<T>) -> usize {
        ward.len()
    }
}

fn main() {}
