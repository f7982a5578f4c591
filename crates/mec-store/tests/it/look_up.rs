//! Many needs at once are answered like one after the other.

use mec_kernel::*;

use crate::lane::{Home, Lane, TREE, used, wait};

crate::lane::home::on_both!(many_needs_are_answered_in_their_order_as_each_alone);

fn many_needs_are_answered_in_their_order_as_each_alone(home: fn() -> Home) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    lane.grant(acme, "minutes", 10, Some(WindowRule::of(WindowKind::Month)));
    let event = lane.meter(&Meter {
        details: Some("{}".into()),
        ..used("a", acme, "1", None)
    });
    lane.meter(&used("b", acme, "2", None));
    let other = TreeId(8);
    let needs = [
        (TREE, Need::Key("a".into())),
        (TREE, Need::Key("never used".into())),
        (other, Need::Key("a".into())),
        (TREE, Need::Account(acme)),
        (TREE, Need::Key("b".into())),
        (TREE, Need::Event(event)),
        (other, Need::Event(event)),
        (TREE, Need::Corrections(event)),
        (TREE, Need::Trials),
        (TREE, Need::Link("none".into())),
    ];
    let facts = wait(lane.writer.look_up_many(&needs, &lane.catalog, lane.now)).unwrap();
    for ((tree, need), fact) in needs.iter().zip(&facts) {
        let alone =
            wait(
                lane.writer
                    .look_up(*tree, std::slice::from_ref(need), &lane.catalog, lane.now),
            )
            .unwrap();
        assert_eq!((*tree, alone), (fact.0, vec![fact.1.clone()]), "{need:?}");
    }
    assert_eq!(facts.len(), needs.len());
    assert!(
        matches!(&facts[0].1, Fact::Key(_, Some(found)) if found.id == event && found.details.is_some())
    );
    assert!(matches!(&facts[1].1, Fact::Key(_, None)));
    assert!(matches!(&facts[2].1, Fact::Key(_, None)));
    // The store is left as it was: the next batch is committed.
    lane.meter(&used("c", acme, "1", None));
}
