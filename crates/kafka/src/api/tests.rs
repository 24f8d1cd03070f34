use super::*;

/// Each answer is written in each version that is served: a field that a version lacks would be an
/// error there.
#[test]
fn each_request_is_answered_in_each_version() {
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::open(&scratch.path().join("s"), false).unwrap();
    let advertised = ("127.0.0.1".to_owned(), 9092);
    let gateway = Gateway::new(store, Limits::default(), advertised);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut session = Session::of("127.0.0.1".into());
        for (key, low, high) in SERVED {
            for version in low..=high {
                let asked = Asked { key, version, correlation: 7, client: "test".into() };
                let body = crate::net::sample(key, version);
                let answered = answer(&gateway, &mut session, &asked, body.freeze()).await;
                let answered = answered.unwrap_or_else(|error| panic!("{error}"));
                let length = answered.as_ref().map_or(0, |it| it.len() - 4);
                let told = answered.map(|it| i32::from_be_bytes(it[..4].try_into().unwrap()));
                assert_eq!(told.unwrap_or(0), i32::try_from(length).unwrap(), "{key:?} {version}");
            }
        }
    });
}
