mod lane;
mod on_postgres {
    use crate::lane::*;
    #[test]
    fn speed() {
        let lane = Lane::new(Home::postgres());
        lane.home.run("INSERT INTO account_trees SELECT i, 1, 1, now(), 11, 1, decode(repeat('00',16),'hex') FROM generate_series(1000, 3999) i;
         INSERT INTO accounts SELECT ('01980000-0000-7000-8000-0000'||lpad(to_hex(i),8,'0'))::uuid, i, null, ('01980000-0000-7000-8000-0000'||lpad(to_hex(i),8,'0'))::uuid, 'organization', null, 'x', null, 'active', null, null, now(), now() FROM generate_series(1000, 3999) i;
         INSERT INTO consumption_ledger SELECT ('01980000-0000-7000-'||lpad(to_hex(32768+n),4,'0')||'-0000'||lpad(to_hex(i),8,'0'))::uuid, i, n, 'k'||n, ('01980000-0000-7000-8000-0000'||lpad(to_hex(i),8,'0'))::uuid, 'minutes', null, 1, 'minute', '2026-01-30 12:00Z', '2026-01-30 12:00Z', false, null, 'api', 'x', null,null,null,null,null,null,decode(repeat('00',16),'hex'),decode(repeat('00',16),'hex') FROM generate_series(1000, 3999) i, generate_series(1,10) n;
         INSERT INTO ledger_keys SELECT i*10000+n, i, ('01980000-0000-7000-'||lpad(to_hex(32768+n),4,'0')||'-0000'||lpad(to_hex(i),8,'0'))::uuid FROM generate_series(1000, 3999) i, generate_series(1,10) n;
         INSERT INTO usage_hours SELECT i, ('01980000-0000-7000-8000-0000'||lpad(to_hex(i),8,'0'))::uuid, 'minutes','','minute','2026-01-30 12:00Z', 600,600,0,10 FROM generate_series(1000, 3999) i");
        let t = std::time::Instant::now();
        let mut marks = vec![];
        let report = lane.store.verify(&lane.catalogue, lane.now, &mut |p| if p.trees % 500 == 0 { marks.push((p.trees, p.events, t.elapsed())) }).unwrap();
        eprintln!("{:?} {} {} {} {}\n{marks:?}\n{:?}", t.elapsed(), report.trees, report.events, report.findings.len(), report.findings_more, &report.findings[..6]);
    }
}
