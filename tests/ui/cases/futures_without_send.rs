fn main() {}

mod future_without_send {
    use tool_core::tool;

    use std::rc::Rc;

    /// Wait a little.
    #[tool]
    async fn wait(rounds: u32) -> u32 {
        let rounds = Rc::new(rounds);
        std::future::ready(()).await;
        *rounds
    }
}

mod impl_future_without_send {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    fn count_beds(ward: u32) -> impl Future<Output = u32> {
        let beds = std::rc::Rc::new(ward);
        async move { *beds }
    }
}

mod method_future_without_send {
    use std::rc::Rc;
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds(&self) -> u32 {
            let beds = Rc::new(12);
            std::future::ready(()).await;
            *beds
        }
    }
}
