// SPDX-License-Identifier: Apache-2.0
// The tables of tasks. Rows of items, successes, errors and events are clustered by task and count
// from 0 within it, so that a page is one range and appending never moves what is there.
#include "tasks/local_service.h"

namespace wherry::tasks {
namespace {

constexpr Migration kMigrations[] = {
    {"tasks", 1,
     "create table task ("
     " number integer primary key autoincrement, id text not null unique, type text not null,"
     " state text not null, owner text not null, submission_id text not null,"
     " label text not null, source_endpoint text not null, target_endpoint text not null,"
     " options text not null, requested integer not null, deadline integer not null,"
     " completed integer not null, item_count integer not null,"
     // Counters of types.h, persisted with the outcomes that they count.
     " files integer not null default 0, directories integer not null default 0,"
     " symlinks integer not null default 0, files_transferred integer not null default 0,"
     " files_skipped integer not null default 0, skipped_errors integer not null default 0,"
     " files_failed integer not null default 0, removed integer not null default 0,"
     " bytes integer not null default 0, bytes_transferred integer not null default 0,"
     " bytes_checksummed integer not null default 0, faults integer not null default 0,"
     // How often a run began, how long runs took, and how many rows each list has had.
     " runs integer not null default 0, worked integer not null default 0,"
     " successes integer not null default 0, errors integer not null default 0,"
     " events integer not null default 0, fault_events integer not null default 0,"
     " nice_status text not null, nice_status_details text not null default '',"
     " error_code text not null default '', error_description text not null default '',"
     " cut_short integer not null default 0,"
     " cancel_requested integer not null default 0, current_file text not null default '',"
     " unique (owner, submission_id)) strict;"
     "create index task_requested on task (requested, number);"
     "create index task_waiting on task (requested) where state = 'ACTIVE';"
     "create index task_open on task (deadline) where completed = 0;"
     "create index task_completed on task (completed) where completed > 0;"
     // Of a delete, `source` is the path.
     "create table item ("
     " task integer not null, ordinal integer not null, source text not null,"
     " target text not null, flags integer not null, checksum text not null,"
     " primary key (task, ordinal)) strict, without rowid;"
     // The full paths are those of the item, joined with `below`.
     "create table success ("
     " task integer not null, sequence integer not null, item integer not null,"
     " kind integer not null, below text not null, size integer not null,"
     " checksum text not null, primary key (task, sequence)) strict, without rowid;"
     "create table item_error ("
     " task integer not null, sequence integer not null, item integer not null,"
     " source text not null, target text not null, code text not null, details text not null,"
     " time integer not null, is_directory integer not null, skipped integer not null,"
     " primary key (task, sequence)) strict, without rowid;"
     "create table event ("
     " task integer not null, sequence integer not null, time integer not null,"
     " code text not null, description text not null, details text not null,"
     " is_error integer not null, primary key (task, sequence)) strict, without rowid;"
     // While a task is recovered: its successes, by path.
     "create table recovered ("
     " task integer not null, item integer not null, below text not null,"
     " primary key (task, item, below)) strict, without rowid;"
     "create table claim ("
     " kind text not null, id text not null, pid integer not null, host text not null,"
     " boot_id text not null, start_time integer not null, since integer not null,"
     " serial integer not null, primary key (kind, id)) strict, without rowid;"},
    // For the lists of one owner among many; the second holds all that counting needs.
    {"tasks", 2,
     "create index task_of_owner on task (owner, requested, number);"
     "create index task_of_owner_in_state on task (owner, state, type, requested, number);"},
    // What those who look after an endpoint did with a task: see pauses.h.
    {"tasks", 3,
     "alter table task add column is_held integer not null default 0;"
     "alter table task add column hold_message text not null default '';"
     "alter table task add column is_held_by_admin integer not null default 0;"
     "alter table task add column admin_message text not null default '';"
     "alter table task add column canceled_by_admin text not null default '';"
     "create index task_held on task (number) where is_held = 1;"},
    // Lists tell how many there are in all: kept up to date here, since counting a million takes
    // a tenth of a second.
    {"tasks", 4,
     "create table task_count ("
     " owner text not null, state text not null, type text not null, tasks integer not null,"
     " primary key (owner, state, type)) strict, without rowid;"
     "insert into task_count select owner, state, type, count(*) from task"
     " group by owner, state, type;"
     "create trigger task_is_added after insert on task begin"
     " insert into task_count values (new.owner, new.state, new.type, 1)"
     " on conflict do update set tasks = tasks + 1;"
     "end;"
     "create trigger task_changes_state after update of state on task"
     " when old.state <> new.state begin"
     " update task_count set tasks = tasks - 1"
     " where owner = old.owner and state = old.state and type = old.type;"
     " insert into task_count values (new.owner, new.state, new.type, 1)"
     " on conflict do update set tasks = tasks + 1;"
     "end;"
     "create trigger task_is_removed after delete on task begin"
     " update task_count set tasks = tasks - 1"
     " where owner = old.owner and state = old.state and type = old.type;"
     "end;"},
};

}  // namespace

std::span<const Migration> task_migrations() { return kMigrations; }

}  // namespace wherry::tasks
