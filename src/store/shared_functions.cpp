// The functions that do the shared queue's transactions on the server, so that a batch of them needs no answer before
// the next is sent (pipeline mode).
#include "shared.hpp"

namespace danelaw::store {

const char* const shared_functions = R"sql(
-- This relay lives. Answers the token below which its claims are doubtful, and how many relays live.
CREATE FUNCTION beat(p_owner text, p_lease bigint, OUT o_floor bigint, OUT o_relays bigint) AS $$
BEGIN
  INSERT INTO relay VALUES(p_owner, clock_timestamp(), p_lease, nextval('fence'))
    ON CONFLICT(owner) DO UPDATE SET seen = excluded.seen, lease = excluded.lease RETURNING floor INTO o_floor;
  SELECT count(*) INTO o_relays FROM relay WHERE owner = p_owner OR seen > clock_timestamp() - lease * interval '1 millisecond';
END $$ LANGUAGE plpgsql;

-- Before claims: nobody takes this relay for dead until this transaction ends.
CREATE FUNCTION present(p_owner text, p_lease bigint) RETURNS void AS $$
BEGIN
  PERFORM 1 FROM relay WHERE owner = p_owner FOR KEY SHARE;
  IF NOT FOUND THEN
    INSERT INTO relay VALUES(p_owner, clock_timestamp(), p_lease, nextval('fence')) ON CONFLICT DO NOTHING;
  END IF;
END $$ LANGUAGE plpgsql;

-- What dead relays held is due for everybody. After a restart of the server the living have a lease's time to come back.
CREATE FUNCTION bury(p_owner text) RETURNS void AS $$
DECLARE dead text;
BEGIN
  FOR dead IN SELECT owner FROM relay WHERE owner <> p_owner AND
      greatest(seen, pg_postmaster_start_time()) < clock_timestamp() - lease * interval '1 millisecond' FOR UPDATE SKIP LOCKED LOOP
    UPDATE recipient r SET owner = NULL, lease = NULL FROM
      (SELECT id, number FROM recipient WHERE owner = dead FOR UPDATE SKIP LOCKED) x WHERE r.id = x.id AND r.number = x.number;
    PERFORM 1 FROM recipient WHERE owner = dead LIMIT 1;
    IF NOT FOUND THEN DELETE FROM relay WHERE owner = dead; END IF;
  END LOOP;
  UPDATE recipient r SET owner = NULL, lease = NULL FROM
    (SELECT id, number FROM recipient WHERE lease < clock_timestamp() ORDER BY lease LIMIT 1000 FOR UPDATE SKIP LOCKED) x
    WHERE r.id = x.id AND r.number = x.number;
END $$ LANGUAGE plpgsql;

-- One relay does what the whole queue needs once (TR-020); another takes over when it shows itself no more.
CREATE FUNCTION take_duty(p_name text, p_owner text, p_time bigint) RETURNS bigint AS $$
  WITH taken AS (INSERT INTO duty VALUES(p_name, p_owner, clock_timestamp() + p_time * interval '1 millisecond')
    ON CONFLICT(name) DO UPDATE SET owner = excluded.owner, until = excluded.until
      WHERE duty.owner = excluded.owner OR duty.until < clock_timestamp() RETURNING 1)
  SELECT count(*) FROM taken;
$$ LANGUAGE sql;

-- Answers the fencing token of the claims made; -1 when the id is taken, -2 when the record it belongs to was stale.
CREATE FUNCTION add_message(p_notice bigint, p_id text, p_received bigint, p_size bigint, p_open bigint, p_sender text,
    p_envelope bytea, p_first bigint, p_crcs bigint[], p_chunks bytea[], p_numbers bigint[], p_domains text[],
    p_states bigint[], p_dues bigint[], p_attempts bigint[], p_notified bigint[], p_addresses bytea[], p_lasts bytea[],
    p_reasons text[], p_hosts text[], p_claims bigint[], p_owner text, p_traces bytea[]) RETURNS bigint AS $$
DECLARE f bigint;
BEGIN
  IF p_notice = 1 AND current_setting('danelaw.applied', true) IS DISTINCT FROM 'yes' THEN RETURN -2; END IF;
  INSERT INTO message VALUES(p_id, p_received, p_size, p_open, p_sender, p_envelope, NULL) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN -1; END IF;
  f := nextval('fence');
  INSERT INTO chunk SELECT p_id, p_first + n - 1, c, o FROM unnest(p_crcs, p_chunks) WITH ORDINALITY AS t(c, o, n);
  INSERT INTO recipient SELECT p_id, num, dom, st, du, att, noti, addr, la, rea, CASE cl WHEN 1 THEN p_owner END, f, NULL, ho
    FROM unnest(p_numbers, p_domains, p_states, p_dues, p_attempts, p_notified, p_addresses, p_lasts, p_reasons, p_hosts,
      p_claims) AS t(num, dom, st, du, att, noti, addr, la, rea, ho, cl);
  IF cardinality(p_traces) > 0 THEN INSERT INTO attempt(id, json) SELECT p_id, unnest(p_traces); END IF;
  IF p_first > 0 THEN DELETE FROM pending WHERE id = p_id; END IF;
  RETURN f;
END $$ LANGUAGE plpgsql;

-- So many recipients of a message, which the caller has locked, are open no more: the last ones take its content along
-- and leave its trace. Others are not looked at, save that nothing is finished by a count alone. Is it finished?
CREATE FUNCTION closed(p_id text, p_open bigint, p_closed bigint, p_now bigint) RETURNS boolean AS $$
DECLARE n bigint := p_open - p_closed;
BEGIN
  IF p_closed = 0 THEN RETURN false; END IF;
  IF n <= 0 THEN SELECT count(*) INTO n FROM recipient WHERE id = p_id AND state IN (0, 5, 100); END IF;
  IF n > 0 THEN
    UPDATE message SET open = n WHERE id = p_id;
    RETURN false;
  END IF;
  UPDATE message SET open = 0, finished = p_now WHERE id = p_id;
  DELETE FROM chunk WHERE id = p_id;
  RETURN true;
END $$ LANGUAGE plpgsql;

-- The same after an action, which names a message once for each recipient closed.
CREATE FUNCTION settle(p_ids text[], p_now bigint) RETURNS void AS $$
DECLARE one record; o bigint;
BEGIN
  FOR one IN SELECT i AS id, count(*) AS n FROM unnest(p_ids) i GROUP BY i ORDER BY i LOOP
    SELECT open INTO o FROM message WHERE id = one.id AND finished IS NULL FOR UPDATE;
    IF FOUND THEN PERFORM closed(one.id, o, one.n, p_now); END IF;
  END LOOP;
END $$ LANGUAGE plpgsql;

-- Has this very record been made already, by a caller who did not hear the answer? Then its rows say what it says.
CREATE FUNCTION recorded(p_id text, p_fence bigint, p_numbers bigint[], p_states bigint[], p_dues bigint[], p_lasts bytea[])
    RETURNS boolean AS $$
  SELECT p_fence <> 0 AND cardinality(p_numbers) > 0 AND count(*) = cardinality(p_numbers)
    FROM unnest(p_numbers, p_states, p_dues, p_lasts) AS t(num, st, du, la) JOIN recipient r ON r.id = p_id AND r.number = t.num
    WHERE r.fence = p_fence AND r.owner IS NULL AND r.due = t.du AND r.last = t.la AND (r.state = t.st OR r.state = 5 AND t.st = 0);
$$ LANGUAGE sql;

-- An attempt's outcome. A recipient is stale when it is closed, or when its fencing token is no longer the caller's.
CREATE FUNCTION record_outcome(p_id text, p_fence bigint, p_owner text, p_numbers bigint[], p_states bigint[], p_dues bigint[],
    p_counts bigint[], p_notified bigint[], p_lasts bytea[], p_reasons text[], p_hosts text[], p_traces bytea[], p_now bigint,
    OUT removed bigint, OUT stale bigint[]) AS $$
DECLARE o bigint; n bigint; done bigint[];
BEGIN
  removed := 0;
  PERFORM set_config('danelaw.applied', 'no', true);
  SELECT open INTO o FROM message WHERE id = p_id AND finished IS NULL FOR UPDATE;
  IF NOT FOUND THEN
    removed := CASE WHEN recorded(p_id, p_fence, p_numbers, p_states, p_dues, p_lasts) THEN 1 ELSE -1 END;
    RETURN;
  END IF;
  WITH u AS (
    UPDATE recipient r SET state = CASE WHEN r.state = 5 AND t.st = 0 THEN 5 ELSE t.st END, due = t.du,
        attempts = r.attempts + t.co, notified = greatest(r.notified, t.noti),
        last = CASE WHEN length(t.la) > 0 THEN t.la ELSE r.last END,
        reason = CASE WHEN length(t.la) > 0 THEN t.rea ELSE r.reason END,
        host = CASE WHEN length(t.la) > 0 THEN t.ho ELSE r.host END, owner = NULL, lease = NULL
      FROM unnest(p_numbers, p_states, p_dues, p_counts, p_notified, p_lasts, p_reasons, p_hosts)
        AS t(num, st, du, co, noti, la, rea, ho)
      WHERE r.id = p_id AND r.number = t.num AND r.state IN (0, 5) AND
        (CASE WHEN p_fence = 0 THEN r.owner IS NULL OR r.owner = p_owner
              ELSE r.fence = p_fence AND (r.owner IS NOT NULL OR r.due <> t.du OR r.last <> t.la) END)
      RETURNING r.number, r.state)
  SELECT array_agg(number), count(*) FILTER (WHERE NOT state IN (0, 5)) INTO done, n FROM u;
  SELECT array_agg(x) INTO stale FROM unnest(p_numbers) x WHERE NOT x = ANY(coalesce(done, '{}'));
  IF done IS NULL AND cardinality(p_numbers) > 0 THEN
    IF recorded(p_id, p_fence, p_numbers, p_states, p_dues, p_lasts) THEN stale := NULL; ELSE removed := -1; END IF;
    RETURN;
  END IF;
  PERFORM set_config('danelaw.applied', 'yes', true);
  IF cardinality(p_traces) > 0 THEN INSERT INTO attempt(id, json) SELECT p_id, unnest(p_traces); END IF;
  IF closed(p_id, o, n, p_now) THEN removed := 1; END IF;
END $$ LANGUAGE plpgsql;

-- Due recipients for one relay: round after round one job a domain, each domain no further than it has room. What dead
-- relays held comes back first. The token of this claim makes every earlier holder's record stale.
CREATE FUNCTION claim(p_owner text, p_lease bigint, p_now bigint, p_limit bigint, p_per_domain bigint, p_excluded text[],
    p_busy text[], p_used bigint[]) RETURNS TABLE(o_id text, o_domain text, o_number bigint, o_attempts bigint, o_due bigint,
    o_fence bigint, o_received bigint, o_size bigint, o_sender text) AS $$
DECLARE
  f bigint := nextval('fence');
  passed text[] := p_excluded;
  w_ids text[]; w_domains text[]; w_dues bigint[];
  ids text[] := '{}'; domains text[] := '{}'; dues bigint[] := '{}';
BEGIN
  PERFORM present(p_owner, p_lease);
  PERFORM bury(p_owner);
  -- Windows by due time, each passing by the domains met before, so that a huge one hides the others from one window only.
  FOR turn IN 1..8 LOOP
    SELECT array_agg(w.id), array_agg(w.domain), array_agg(w.due) INTO w_ids, w_domains, w_dues FROM
      (SELECT r.id, r.domain, r.due FROM recipient r WHERE r.state = 0 AND r.owner IS NULL AND r.due <= p_now
         AND NOT r.domain = ANY(passed) ORDER BY r.due LIMIT 4 * p_limit FOR UPDATE SKIP LOCKED) w;
    EXIT WHEN w_ids IS NULL;
    ids := ids || w_ids; domains := domains || w_domains; dues := dues || w_dues;
    EXIT WHEN cardinality(w_ids) < 4 * p_limit;
    passed := passed || (SELECT array_agg(DISTINCT d) FROM unnest(w_domains) d);
  END LOOP;
  RETURN QUERY WITH
    jobs AS (SELECT x.id, x.domain, min(x.due) AS due, row_number() OVER (PARTITION BY x.domain ORDER BY min(x.due), x.id) AS n
        FROM unnest(ids, domains, dues) AS x(id, domain, due) GROUP BY x.id, x.domain),
    chosen AS (SELECT j.id, j.domain FROM jobs j LEFT JOIN unnest(p_busy, p_used) AS b(domain, used) ON b.domain = j.domain
        WHERE j.n <= p_per_domain - coalesce(b.used, 0) ORDER BY j.n, j.due LIMIT p_limit),
    taken AS (UPDATE recipient r SET owner = p_owner, fence = f, lease = NULL
        -- Queued, said so that recipient_domain serves: a server without statistics would go through all that is due again.
        FROM chosen c WHERE r.id = c.id AND r.domain = c.domain AND r.state IN (0, 5) AND r.state <> 5 AND r.owner IS NULL
          AND r.due <= p_now
        RETURNING r.id, r.domain, r.number, r.attempts, r.due)
    SELECT t.id, t.domain, t.number, t.attempts, t.due, f, m.received, m.size, m.sender FROM taken t JOIN message m ON m.id = t.id
      ORDER BY t.due, t.id, t.domain, t.number;
END $$ LANGUAGE plpgsql;

)sql";

} // namespace danelaw::store
