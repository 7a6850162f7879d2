// SPDX-License-Identifier: Apache-2.0
#include "flow/store.h"

#include <soci/soci.h>

#include <algorithm>
#include <iterator>

#include "base/path.h"
#include "flow/value_text.h"

namespace wherry::flow {
namespace {

constexpr std::string_view kNodeStates[] = {"WAITING", "RUNNING", "SUCCEEDED", "FAILED",
                                            "BLOCKED", "SKIPPED", "CANCELLED"};
static_assert(std::size(kNodeStates) == kNodeStateCount);
constexpr std::string_view kRunStates[] = {"RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"};
constexpr std::string_view kNodeKinds[] = {"single", "group", "item"};

template <class Enum, std::size_t kCount>
Result<Enum> parse_word(const std::string_view (&words)[kCount], std::string_view text) {
  const auto found = std::find(std::begin(words), std::end(words), text);
  if (found == std::end(words))
    return make_error(Code::kCorrupt, "the state database holds '{}', which is not of this program",
                      escape_bytes(text.substr(0, 60)));
  return static_cast<Enum>(found - std::begin(words));
}

long long stored(const std::optional<TimePoint>& time) {
  return time ? time->time_since_epoch().count() : 0;
}
std::optional<TimePoint> time_of(long long ns) {
  if (ns == 0) return std::nullopt;
  return TimePoint(Duration(ns));
}

// ---- runs

constexpr std::string_view kRunColumns =
    "id, uuid, name, file, directory, parameters, service, state, created, ended,"
    " cancel_requested, text";

struct RunRow {
  long long id = 0, created = 0, ended = 0, cancel_requested = 0;
  std::string uuid, name, file, directory, parameters, service, state, text;

  Result<RunRecord> record() const {
    RunRecord run;
    run.id = id;
    run.uuid = uuid;
    run.name = name;
    run.file = file;
    run.directory = directory;
    run.text = text;
    TRY_ASSIGN(run.parameters, parse_parameter_values(parameters));
    run.service = service;
    TRY_ASSIGN(run.state, parse_run_state(state));
    run.created = time_of(created).value_or(TimePoint());
    run.ended = time_of(ended);
    run.cancel_requested = cancel_requested != 0;
    return run;
  }
};

// Those that `rest`, a clause with one parameter, selects.
template <class Wanted>
Result<std::vector<RunRecord>> select_runs(soci::session& sql, std::string_view rest,
                                           const Wanted& wanted) {
  RunRow row;
  soci::statement select =
      (sql.prepare << "select " << kRunColumns << " from flow_run " << rest, soci::use(wanted),
       soci::into(row.id), soci::into(row.uuid), soci::into(row.name), soci::into(row.file),
       soci::into(row.directory), soci::into(row.parameters), soci::into(row.service),
       soci::into(row.state), soci::into(row.created), soci::into(row.ended),
       soci::into(row.cancel_requested), soci::into(row.text));
  select.execute();
  std::vector<RunRecord> runs;
  while (select.fetch()) {
    TRY_ASSIGN(RunRecord run, row.record());
    runs.push_back(std::move(run));
  }
  return runs;
}

Error no_such_run(RunId id) {
  return make_error(Code::kNotFound, "there is no run {} of a flow; `wherry flow ls` lists them",
                    id);
}

// ---- nodes

struct NodeRow {
  long long id = 0, index = -1, started = 0, ended = 0;
  int attempt = 0;
  std::string task, kind, state, submission_id, task_id, item, reason, results, request;

  NodeRow() = default;
  explicit NodeRow(const Node& node)
      : id(node.id),
        index(node.index),
        started(stored(node.started)),
        ended(stored(node.ended)),
        attempt(node.attempt),
        task(node.task),
        kind(kNodeKinds[static_cast<std::size_t>(node.kind)]),
        state(to_string(node.state)),
        submission_id(node.submission_id),
        task_id(node.task_id),
        item(node.item),
        reason(node.reason),
        results(to_json(node.results)),
        request(node.request) {}

  Result<Node> node() const {
    Node read;
    read.id = id;
    read.task = task;
    TRY_ASSIGN(read.kind, parse_word<Node::Kind>(kNodeKinds, kind));
    read.index = index;
    read.item = item;
    TRY_ASSIGN(read.state, parse_node_state(state));
    read.reason = reason;
    read.attempt = attempt;
    read.request = request;
    read.submission_id = submission_id;
    read.task_id = task_id;
    TRY_ASSIGN(read.results, parse_results(results));
    read.started = time_of(started);
    read.ended = time_of(ended);
    return read;
  }
};

Result<void> insert_node(soci::session& sql, RunId run, Node& node) {
  const NodeRow row(node);
  const auto run_id = static_cast<long long>(run);
  sql << "insert into flow_node (run, task, kind, item_index, state, attempt, submission_id,"
         " task_id, started, ended, item, reason, results, request) values (:run, :task, :kind,"
         " :index, :state, :attempt, :submission, :task_id, :started, :ended, :item, :reason,"
         " :results, :request)",
      soci::use(run_id), soci::use(row.task), soci::use(row.kind), soci::use(row.index),
      soci::use(row.state), soci::use(row.attempt), soci::use(row.submission_id),
      soci::use(row.task_id), soci::use(row.started), soci::use(row.ended), soci::use(row.item),
      soci::use(row.reason), soci::use(row.results), soci::use(row.request);
  long long id = 0;
  sql << "select last_insert_rowid()", soci::into(id);
  node.id = id;
  return {};
}

void update_node(soci::session& sql, const Node& node) {
  const NodeRow row(node);
  // The submission is recorded beside this (record_submission), and is that of one attempt.
  sql << "update flow_node set state = :state,"
         " submission_id = case when attempt = :same then submission_id else '' end,"
         " attempt = :attempt, task_id = :task_id, started = :started, ended = :ended, reason = "
         ":reason,"
         " results = :results, request = :request where id = :id",
      soci::use(row.state), soci::use(row.attempt), soci::use(row.attempt), soci::use(row.task_id),
      soci::use(row.started), soci::use(row.ended), soci::use(row.reason), soci::use(row.results),
      soci::use(row.request), soci::use(row.id);
}

}  // namespace

std::string_view to_string(NodeState state) { return kNodeStates[static_cast<std::size_t>(state)]; }
Result<NodeState> parse_node_state(std::string_view text) {
  return parse_word<NodeState>(kNodeStates, text);
}
bool is_settled(NodeState state) {
  return state != NodeState::kWaiting && state != NodeState::kRunning;
}
std::string_view to_string(RunState state) { return kRunStates[static_cast<std::size_t>(state)]; }
Result<RunState> parse_run_state(std::string_view text) {
  return parse_word<RunState>(kRunStates, text);
}

std::string Node::name() const {
  return kind == Kind::kItem ? fmt::format("{}[{}]", task, escape_bytes(item)) : task;
}

Result<RunRecord> Store::create(RunRecord run, std::vector<Node>& nodes) {
  return database_.write([&](soci::session& sql) -> Result<RunRecord> {
    const std::string parameters = to_json(run.parameters);
    const std::string state(to_string(run.state));
    const long long created = stored(run.created);
    sql << "insert into flow_run (uuid, name, file, directory, parameters, service, state, created,"
           " ended, text) values (:uuid, :name, :file, :directory, :parameters, :service, :state,"
           " :created, 0, :text)",
        soci::use(run.uuid), soci::use(run.name), soci::use(run.file), soci::use(run.directory),
        soci::use(parameters), soci::use(run.service), soci::use(state), soci::use(created),
        soci::use(run.text);
    long long id = 0;
    sql << "select last_insert_rowid()", soci::into(id);
    run.id = id;
    for (Node& node : nodes) TRY(insert_node(sql, run.id, node));
    return run;
  });
}

Result<RunRecord> Store::run(RunId id) {
  return database_.read([&](soci::session& sql) -> Result<RunRecord> {
    const auto wanted = static_cast<long long>(id);
    TRY_ASSIGN(std::vector<RunRecord> found, select_runs(sql, "where id = :id", wanted));
    if (found.empty()) return no_such_run(id);
    return std::move(found.front());
  });
}

Result<std::optional<RunRecord>> Store::latest(std::string_view name) {
  return database_.read([&](soci::session& sql) -> Result<std::optional<RunRecord>> {
    const std::string wanted(name);
    TRY_ASSIGN(std::vector<RunRecord> found,
               select_runs(sql, "where name = :name order by id desc limit 1", wanted));
    if (found.empty()) return std::optional<RunRecord>();
    return std::optional(std::move(found.front()));
  });
}

Result<std::vector<RunRecord>> Store::runs(std::size_t limit) {
  return database_.read([&](soci::session& sql) -> Result<std::vector<RunRecord>> {
    const auto most = static_cast<long long>(limit);
    return select_runs(sql, "order by id desc limit :most", most);
  });
}

Result<void> Store::reopen(RunId id, const std::string& text) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    const auto wanted = static_cast<long long>(id);
    const std::string state(to_string(RunState::kRunning));
    sql << "update flow_run set text = :text, state = :state, ended = 0, cancel_requested = 0"
           " where id = :id",
        soci::use(text), soci::use(state), soci::use(wanted);
    return {};
  });
}

Result<void> Store::finish(RunId id, RunState run_state, TimePoint ended) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    const auto wanted = static_cast<long long>(id);
    const std::string state(to_string(run_state));
    const long long time = stored(ended);
    sql << "update flow_run set state = :state, ended = :ended where id = :id", soci::use(state),
        soci::use(time), soci::use(wanted);
    return {};
  });
}

Result<void> Store::request_cancel(RunId id) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    const auto wanted = static_cast<long long>(id);
    std::string text;
    sql << "select state from flow_run where id = :id", soci::use(wanted), soci::into(text);
    if (!sql.got_data()) return no_such_run(id);
    TRY_ASSIGN(const RunState state, parse_run_state(text));
    if (state != RunState::kRunning)
      return make_error(Code::kConflict, "run {} has ended: it is {}", id, text);
    sql << "update flow_run set cancel_requested = 1 where id = :id", soci::use(wanted);
    return {};
  });
}

Result<bool> Store::is_cancel_requested(RunId id) {
  return database_.read([&](soci::session& sql) -> Result<bool> {
    const auto wanted = static_cast<long long>(id);
    long long requested = 0;
    sql << "select cancel_requested from flow_run where id = :id", soci::use(wanted),
        soci::into(requested);
    if (!sql.got_data()) return no_such_run(id);
    return requested != 0;
  });
}

Result<void> Store::remove(RunId id) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    const auto wanted = static_cast<long long>(id);
    sql << "delete from flow_run where id = :id", soci::use(wanted);
    return {};
  });
}

Result<std::vector<Node>> Store::nodes(RunId id) {
  return database_.read([&](soci::session& sql) -> Result<std::vector<Node>> {
    const auto wanted = static_cast<long long>(id);
    NodeRow row;
    soci::statement select =
        (sql.prepare << "select id, task, kind, item_index, state, attempt, submission_id, task_id,"
                        " started, ended, item, reason, results, request from flow_node"
                        " where run = :run order by id",
         soci::use(wanted), soci::into(row.id), soci::into(row.task), soci::into(row.kind),
         soci::into(row.index), soci::into(row.state), soci::into(row.attempt),
         soci::into(row.submission_id), soci::into(row.task_id), soci::into(row.started),
         soci::into(row.ended), soci::into(row.item), soci::into(row.reason),
         soci::into(row.results), soci::into(row.request));
    select.execute();
    std::vector<Node> nodes;
    while (select.fetch()) {
      TRY_ASSIGN(nodes.emplace_back(), row.node());
    }
    return nodes;
  });
}

Result<void> Store::save(RunId id, std::span<Node* const> nodes) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    for (Node* const node : nodes) {
      if (node->id == 0) {
        TRY(insert_node(sql, id, *node));
      } else {
        update_node(sql, *node);
      }
    }
    return {};
  });
}

Result<void> Store::remove_nodes(RunId id, std::span<const NodeId> nodes) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    const auto run = static_cast<long long>(id);
    for (const NodeId each : nodes) {
      const auto node = static_cast<long long>(each);
      sql << "delete from flow_node where id = :id and run = :run", soci::use(node), soci::use(run);
    }
    return {};
  });
}

Result<void> Store::record_submission(RunId id, const tasks::SubmissionId& submission,
                                      std::span<const NodeId> nodes) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    const auto run = static_cast<long long>(id);
    long long place = 0;
    for (const NodeId each : nodes) {
      const auto node = static_cast<long long>(each);
      sql << "insert into flow_submission (run, submission_id, place, node, attempt, request)"
             " select run, :submission, :place, id, attempt, request from flow_node"
             " where id = :id and run = :run",
          soci::use(submission), soci::use(place), soci::use(node), soci::use(run);
      sql << "update flow_node set submission_id = :submission, task_id = '' where id = :id"
             " and run = :run",
          soci::use(submission), soci::use(node), soci::use(run);
      ++place;
    }
    return {};
  });
}

Result<std::vector<RunSubmission>> Store::submissions(RunId id) {
  return database_.read([&](soci::session& sql) -> Result<std::vector<RunSubmission>> {
    const auto run = static_cast<long long>(id);
    std::string submission, request;
    long long node = 0;
    int attempt = 0;
    soci::statement select =
        (sql.prepare << "select submission_id, node, attempt, request from flow_submission"
                        " where run = :run order by sequence",
         soci::use(run), soci::into(submission), soci::into(node), soci::into(attempt),
         soci::into(request));
    select.execute();
    std::vector<RunSubmission> submissions;
    while (select.fetch()) {
      if (submissions.empty() || submissions.back().id != submission)
        submissions.push_back({submission, {}});
      submissions.back().members.push_back({node, attempt, request});
    }
    return submissions;
  });
}

}  // namespace wherry::flow
