// SPDX-License-Identifier: Apache-2.0
// The tables of flows. Text columns of users hold any byte but NUL; columns of JSON are written by
// value_text.h. A time that has not come is 0.
#include "flow/store.h"

namespace wherry::flow {
namespace {

constexpr Migration kMigrations[] = {
    {"flow", 1,
     "create table flow_run ("
     " id integer primary key autoincrement, uuid text not null unique, name text not null,"
     " file text not null, directory text not null, parameters text not null,"
     " service text not null, state text not null, created integer not null,"
     " ended integer not null, cancel_requested integer not null default 0,"
     " text text not null) strict;"
     "create index flow_run_of_name on flow_run (name, id);"
     // `item_index` is -1 but for items. The longest columns are last.
     "create table flow_node ("
     " id integer primary key autoincrement,"
     " run integer not null references flow_run (id) on delete cascade, task text not null,"
     " kind text not null, item_index integer not null, state text not null,"
     " attempt integer not null, submission_id text not null, task_id text not null,"
     " started integer not null, ended integer not null, item text not null,"
     " reason text not null, results text not null, request text not null,"
     " unique (run, task, item_index)) strict;"
     // What was sent, or may have been, with the requests as they were then: a node that is tried
     // again leaves its place in the submission.
     "create table flow_submission ("
     " sequence integer primary key autoincrement,"
     " run integer not null references flow_run (id) on delete cascade,"
     " submission_id text not null, place integer not null, node integer not null,"
     " attempt integer not null, request text not null,"
     " unique (submission_id, place)) strict;"
     "create index flow_submission_of_run on flow_submission (run);"},
};

}  // namespace

std::span<const Migration> flow_migrations() { return kMigrations; }

}  // namespace wherry::flow
