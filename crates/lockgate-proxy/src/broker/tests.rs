use tokio::task::LocalSet;

use super::*;

const NOW: u64 = 1_800_000_000_000;

fn order(shown: &str) -> Order {
    let staff: Arc<str> = "staff".into();
    Order::new(Goods::Session, &staff, &staff, shown.as_bytes())
}

fn bring(broker: &Broker, order: &Order, told: Told) {
    broker.brought((order.goods, &order.about), &order.mark, told, NOW);
}

fn got(text: &str) -> Brought {
    Brought::Got(text.into())
}

#[tokio::test]
async fn all_who_wait_for_the_same_wait_for_one_order() {
    let broker = std::rc::Rc::new(Broker::new().unwrap());
    let all = LocalSet::new();
    let asking = (0..1_000).map(|_| {
        let broker = std::rc::Rc::clone(&broker);
        all.spawn_local(async move { broker.get(order("a"), 0, NOW).await })
    });
    let asking: Vec<_> = asking.collect();
    let control = async {
        let orders = loop {
            let orders = broker.orders();
            if !orders.is_empty() {
                break orders;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(orders, [order("a")]);
        assert!(broker.orders().is_empty(), "each is told once");
        broker.untold();
        assert_eq!(
            broker.orders(),
            [order("a")],
            "and to another control process again"
        );
        bring(&broker, &orders[0], Told::Got("new".into(), NOW + 10));
    };
    all.run_until(control).await;
    for one in asking {
        assert_eq!(all.run_until(one).await.unwrap(), got("new"));
    }
    // It is kept until then, and asked for again after.
    assert_eq!(broker.renew(order("a"), 0, NOW + 9), got("new"));
    assert_eq!(broker.renew(order("a"), 0, NOW + 10), Brought::Later);
    assert_eq!(broker.orders(), [order("a")]);
}

#[test]
fn what_was_refused_or_could_not_be_had_is_left_alone_for_a_while() {
    let broker = Broker::new().unwrap();
    for (number, told, said, for_ms) in [
        (0, Told::Refused, Brought::Refused, REFUSED_MS),
        (1, Told::Unavailable(0), Brought::Later, 1_000),
        (2, Told::Unavailable(9_999), Brought::Later, 60_000),
    ] {
        let wanted = || order(&number.to_string());
        assert_eq!(broker.renew(wanted(), 0, NOW), Brought::Later);
        assert_eq!(broker.orders(), [wanted()]);
        bring(&broker, &wanted(), told);
        assert_eq!(broker.renew(wanted(), 0, NOW + for_ms - 1), said);
        assert!(broker.orders().is_empty());
        assert_eq!(broker.renew(wanted(), 0, NOW + for_ms), Brought::Later);
        assert_eq!(broker.orders(), [wanted()]);
        bring(&broker, &wanted(), Told::Busy);
    }
    let mut told = String::new();
    broker.write(&mut told);
    let line = r#"{goods="session",about="staff",outcome="unavailable"} 2"#;
    assert!(told.contains(line), "{told}");
}

#[tokio::test]
async fn a_control_process_that_is_away_is_not_waited_for() {
    let broker = Broker::new().unwrap();
    let said = broker.get(order("c"), SILENCE_MS + 1, NOW).await;
    assert_eq!(said, Brought::Unavailable(RETRY_S));
    assert!(broker.orders().is_empty());
}

#[tokio::test]
async fn what_is_under_way_is_bounded_for_each() {
    let broker = Broker::new().unwrap();
    for number in 0..UNDER_WAY {
        assert_eq!(
            broker.renew(order(&number.to_string()), 0, NOW),
            Brought::Later
        );
    }
    assert_eq!(broker.get(order("more"), 0, NOW).await, Brought::Busy);
    // Another sign-in has room of its own.
    let other: Arc<str> = "others".into();
    let order = Order::new(Goods::Session, &other, &other, b"more");
    let _ = broker.renew(order, 0, NOW);
    assert_eq!(broker.orders().len(), UNDER_WAY + 1);
}

#[test]
fn what_nobody_ordered_is_nobodys() {
    let broker = Broker::new().unwrap();
    bring(&broker, &order("d"), Told::Got("forged".into(), NOW + 10));
    assert_eq!(broker.renew(order("d"), 0, NOW), Brought::Later);
}

#[test]
fn nobody_takes_the_room_of_others() {
    let broker = Broker::new().unwrap();
    let issuer: Arc<str> = "https://login.example.com".into();
    let seen = |owner: &str, number: usize| {
        let shown = format!("{owner} {number}");
        Order::new(Goods::Device, &issuer, &issuer, shown.as_bytes()).of_one(owner)
    };
    for number in 0..1_000 {
        let _ = broker.renew(seen("mallory", number), 0, NOW);
    }
    assert_eq!(broker.orders().len(), OF_ONE);
    let _ = broker.renew(seen("ann", 0), 0, NOW);
    let orders = broker.orders();
    assert_eq!(orders, [seen("ann", 0)]);
    bring(&broker, &orders[0], Told::Got("known".into(), NOW + 10));
    assert_eq!(broker.renew(seen("ann", 0), 0, NOW), got("known"));
    // Where one of theirs has landed, there is room for another.
    bring(&broker, &seen("mallory", 0), Told::Refused);
    let _ = broker.renew(seen("mallory", 2_000), 0, NOW);
    assert_eq!(broker.orders(), [seen("mallory", 2_000)]);
}
