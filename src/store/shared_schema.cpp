// The shared queue's tables, version by version: each step brings a queue of the version before it to its own (DQ-064).
// The functions that work on them are made anew with every step: shared_functions.cpp.
#include "shared.hpp"

#include <array>

namespace danelaw::store {
namespace {

constexpr const char* version_1 = R"sql(
CREATE TABLE meta(version bigint NOT NULL);
CREATE SEQUENCE fence;
CREATE TABLE message(id text COLLATE "C" PRIMARY KEY, received bigint NOT NULL, size bigint NOT NULL, open bigint NOT NULL,
                     sender text NOT NULL, envelope bytea NOT NULL, finished bigint);
CREATE INDEX message_open ON message(id) WHERE finished IS NULL;
CREATE INDEX message_finished ON message(finished) WHERE finished IS NOT NULL;
CREATE TABLE chunk(id text COLLATE "C", seq bigint, crc bigint NOT NULL, octets bytea NOT NULL, PRIMARY KEY(id, seq));
ALTER TABLE chunk ALTER octets SET STORAGE EXTERNAL;
CREATE TABLE pending(id text COLLATE "C" PRIMARY KEY, touched timestamptz NOT NULL);
CREATE TABLE recipient(id text COLLATE "C", number bigint, domain text COLLATE "C" NOT NULL, state bigint NOT NULL,
                       due bigint NOT NULL, attempts bigint NOT NULL, notified bigint NOT NULL, address bytea NOT NULL,
                       last bytea NOT NULL, reason text NOT NULL, owner text, fence bigint NOT NULL, lease timestamptz,
                       PRIMARY KEY(id, number));
CREATE INDEX recipient_due ON recipient(due) INCLUDE (domain) WHERE state = 0 AND owner IS NULL;
CREATE INDEX recipient_lease ON recipient(lease) WHERE owner IS NOT NULL;
CREATE INDEX recipient_domain ON recipient(domain, id) WHERE state IN (0, 5);
CREATE TABLE attempt(id text COLLATE "C", seq bigserial, json bytea NOT NULL, PRIMARY KEY(id, seq));
CREATE TABLE kv(tbl text COLLATE "C", key bytea, value bytea NOT NULL, PRIMARY KEY(tbl, key));
CREATE TABLE damaged(id text PRIMARY KEY, why text NOT NULL);
INSERT INTO meta VALUES(0);
)sql";

// Leases live as long as their relay shows itself: one row beaten by each relay instead of one written for each claim.
// What a relay claimed while it was taken for dead has a token below its `floor`, and must be asked for.
// A recipient's own `lease` is left only to what an operator's action claims.
constexpr const char* version_2 = R"sql(
CREATE TABLE relay(owner text COLLATE "C" PRIMARY KEY, seen timestamptz NOT NULL, lease bigint NOT NULL, floor bigint NOT NULL);
CREATE TABLE duty(name text COLLATE "C" PRIMARY KEY, owner text NOT NULL, until timestamptz NOT NULL);
UPDATE recipient SET owner = NULL, lease = NULL WHERE owner IS NOT NULL;
DROP INDEX recipient_lease;
CREATE INDEX recipient_owner ON recipient(owner) WHERE owner IS NOT NULL;
CREATE INDEX recipient_lease ON recipient(lease) WHERE lease IS NOT NULL;
ALTER TABLE recipient ADD COLUMN host text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX recipient_reason ON recipient(reason, id) WHERE reason <> '' AND state IN (0, 5);
CREATE INDEX recipient_host ON recipient(host, id) WHERE host <> '' AND state IN (0, 5);
)sql";

constexpr const char* version_3 = R"sql(
CREATE INDEX message_sender ON message(lower(sender), id) WHERE finished IS NULL;
)sql";

// A message's count of open recipients decides when it is done; before, all its recipients were counted each time.
constexpr const char* version_4 = R"sql(
UPDATE message m SET open = c.n FROM
  (SELECT x.id, (SELECT count(*) FROM recipient r WHERE r.id = x.id AND r.state IN (0, 5, 100)) AS n FROM message x
    WHERE x.finished IS NULL) c WHERE m.id = c.id AND m.open <> c.n;
WITH done AS (UPDATE message SET finished = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
  WHERE finished IS NULL AND open = 0 RETURNING id)
  DELETE FROM chunk WHERE id IN (SELECT id FROM done);
)sql";

constexpr std::array steps{version_1, version_2, version_3, version_4};
static_assert(steps.size() == shared_version);

} // namespace

const char* shared_step(std::int64_t version) {
    return steps.at(static_cast<std::size_t>(version - 1));
}

} // namespace danelaw::store
