// SPDX-License-Identifier: Apache-2.0
#include "cli/sync_view.h"

#include "base/path.h"
#include "base/units.h"

namespace wherry::cli {
namespace {

using sync::PassRecord;
using sync::SyncDefinition;

std::string schedule_text(const SyncDefinition& definition) {
  if (!definition.cron.empty()) return definition.cron;
  if (definition.every > Duration(0)) return "every " + format_duration(definition.every);
  return "";
}

Words filter_texts(const std::vector<engine::FilterRule>& rules) {
  Words texts;
  for (const engine::FilterRule& rule : rules) {
    const bool includes = rule.method == engine::FilterRule::Method::kInclude;
    texts.push_back((includes ? "include " : "exclude ") + rule.pattern);
  }
  return texts;
}

Duration total(const sync::PassReport& report) {
  Duration sum{0};
  for (const Duration part : report.seconds) sum += part;
  return sum;
}

std::string end_of(const PassRecord& pass) {
  return pass.ended ? std::string(to_string(pass.report.end)) : "unfinished";
}

// The number of a pass, in the order of columns and fields; `in_text` chooses what people see
// first.
struct Count {
  std::string_view key;
  std::string_view title;
  std::uint64_t sync::Counts::*member;
  Shown in_list = Shown::kNotInText;
};
constexpr Count kCounts[] = {
    {"files", "Files", &sync::Counts::files, Shown::kAlways},
    {"directories", "Directories", &sync::Counts::directories},
    {"added", "Added", &sync::Counts::added, Shown::kAlways},
    {"modified", "Changed", &sync::Counts::modified, Shown::kAlways},
    {"attributes", "Only Attributes", &sync::Counts::attributes},
    {"renamed", "Renamed", &sync::Counts::renamed, Shown::kAlways},
    {"removed", "Removed", &sync::Counts::removed, Shown::kAlways},
    {"directories_made", "Directories Made", &sync::Counts::directories_made},
    {"not_quiet", "Not Quiet Yet", &sync::Counts::not_quiet},
    {"delayed", "Delayed", &sync::Counts::delayed},
    {"links_skipped", "Symlinks Skipped", &sync::Counts::links_skipped},
    {"specials_skipped", "Devices Skipped", &sync::Counts::specials_skipped},
    {"unreadable", "Unreadable Directories", &sync::Counts::unreadable},
    {"failed", "Failed", &sync::Counts::failed, Shown::kAlways},
};

// "scan_seconds", …: text that lives as long as the program.
std::string_view phase_key(std::size_t phase) {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < sync::kPhases; ++i)
      made.push_back(std::string(to_string(static_cast<sync::Phase>(i))) + "_seconds");
    return made;
  }();
  return keys[phase];
}

}  // namespace

std::string place_text(const sync::Place& place, EndpointNames& names) {
  const std::string path = "/" + escape_bytes(place.path.text());
  if (place.endpoint == endpoints::kLocalId) return path;
  return escape_bytes(names.name(place.endpoint)) + ":" + path;
}

Record sync_record(const SyncDefinition& definition, EndpointNames& names) {
  return {"sync",
          {{"name", "Name", definition.name},
           {"source", "Source", place_text(definition.source, names)},
           {"target", "Target", place_text(definition.target, names)},
           {"service", "Service", definition.service.empty() ? "local" : definition.service},
           {"source_host", "Source On This Machine", Bytes{definition.source.host},
            definition.source.host.empty() ? Shown::kNotInText : Shown::kAlways},
           {"schedule", "Schedule", schedule_text(definition)},
           {"paused", "Paused", definition.paused},
           {"settle_seconds", "Settle", Span{definition.settle}},
           {"deletions", "Deletions", std::string(to_string(definition.deletions))},
           {"max_delete_percent", "Max Delete (%)", definition.max_delete},
           {"symlinks", "Symlinks", std::string(to_string(definition.symlinks))},
           {"filters", "Filters", filter_texts(definition.filters)},
           {"label", "Label", definition.label_pattern},
           {"batch_files", "Files Per Task", static_cast<std::uint64_t>(definition.batch_size)},
           {"verify_checksum", "Verify Checksum", definition.verify == engine::Verify::kChecksum},
           {"preserve_mtime", "Preserve Mtime", definition.preserve_mtime},
           {"renames", "Renames", definition.renames},
           {"trust_directories", "Trust Directories", definition.trust_directories},
           {"full_every_seconds", "Full Scan Every", Span{definition.full_every}},
           {"created", "Created", definition.created}}};
}

std::vector<Column> sync_columns() {
  return {{"name", "Name"},         {"source", "Source"}, {"target", "Target"},
          {"schedule", "Schedule"}, {"paused", "Paused"}, {"deletions", "Deletions"}};
}

std::vector<Value> sync_row(const SyncDefinition& definition, EndpointNames& names) {
  return {definition.name,
          place_text(definition.source, names),
          place_text(definition.target, names),
          schedule_text(definition),
          definition.paused,
          std::string(to_string(definition.deletions))};
}

Record pass_record(std::string_view sync, const PassRecord& pass) {
  const bool is_numbered = pass.report.number > 0;
  const Shown shown = is_numbered ? Shown::kAlways : Shown::kNotInText;
  const bool is_dry_run = !is_numbered && pass.report.end == sync::PassEnd::kDone;
  Record record{"sync_pass",
                {{"sync", "Sync", std::string(sync)},
                 {"number", "Pass", pass.report.number, shown},
                 {"label", "Label", pass.report.label, shown},
                 {"result", "Result", is_dry_run ? "dry run: nothing was done" : end_of(pass)}}};
  for (const Count& count : kCounts) {
    const std::uint64_t value = pass.report.counts.*count.member;
    const bool is_shown = count.in_list == Shown::kAlways || value > 0;
    record.fields.push_back(
        {count.key, count.title, value, is_shown ? Shown::kAlways : Shown::kNotInText});
  }
  record.fields.push_back({"bytes", "Bytes", Size{pass.report.counts.bytes}});
  record.fields.push_back({"total_seconds", "Time", Span{total(pass.report)}});
  for (std::size_t phase = 0; phase < sync::kPhases; ++phase) {
    record.fields.push_back(
        {phase_key(phase), "", Span{pass.report.seconds[phase]}, Shown::kNotInText});
  }
  record.fields.push_back({"tasks", "Tasks", Words(pass.report.tasks), Shown::kNotInText});
  record.fields.push_back({"message", "Message", pass.report.message,
                           pass.report.message.empty() ? Shown::kNotInText : Shown::kAlways});
  return record;
}

std::vector<Column> pass_columns() {
  std::vector<Column> columns = {{"number", "Pass"},
                                 {"started", "Started"},
                                 {"result", "Result"},
                                 {"label", "Label", Shown::kNotInText}};
  for (const Count& count : kCounts) columns.push_back({count.key, count.title, count.in_list});
  columns.push_back({"bytes", "Bytes"});
  columns.push_back({"total_seconds", "Time"});
  for (std::size_t phase = 0; phase < sync::kPhases; ++phase)
    columns.push_back({phase_key(phase), "", Shown::kNotInText});
  columns.push_back({"message", "Message", Shown::kNotInText});
  return columns;
}

std::vector<Value> pass_row(const PassRecord& pass) {
  std::vector<Value> values = {pass.report.number, pass.report.started, end_of(pass),
                               pass.report.label};
  for (const Count& count : kCounts) values.emplace_back(pass.report.counts.*count.member);
  values.emplace_back(Size{pass.report.counts.bytes});
  values.emplace_back(Span{total(pass.report)});
  for (const Duration part : pass.report.seconds) values.emplace_back(Span{part});
  values.emplace_back(pass.report.message);
  return values;
}

Record status_record(const sync::SyncStatus& status, EndpointNames& names) {
  const SyncDefinition& definition = status.definition;
  Record record{"sync_status",
                {{"name", "Name", definition.name},
                 {"source", "Source", place_text(definition.source, names)},
                 {"target", "Target", place_text(definition.target, names)},
                 {"schedule", "Schedule", schedule_text(definition)},
                 {"paused", "Paused", definition.paused}}};
  auto& fields = record.fields;
  fields.push_back({"holder", "Run By", status.holder ? Value(describe(*status.holder)) : Value(),
                    status.holder ? Shown::kAlways : Shown::kNotInText});
  if (status.known) {
    fields.push_back({"known_files", "Known Files", status.known->files});
    fields.push_back({"known_directories", "Known Directories", status.known->directories});
    fields.push_back({"known_bytes", "Known Bytes", Size{status.known->bytes}});
  }
  if (status.last) {
    fields.push_back({"last_pass", "Last Pass", status.last->report.number});
    fields.push_back({"last_started", "Started", status.last->report.started});
    fields.push_back({"last_result", "Result", end_of(*status.last)});
    fields.push_back({"last_message", "Message", status.last->report.message,
                      status.last->report.message.empty() ? Shown::kNotInText : Shown::kAlways});
  }
  fields.push_back({"failures", "Failed Files", std::uint64_t{status.failures.size()}});
  return record;
}

Record verify_record(const sync::VerifyReport& report) {
  return {"sync_verify",
          {{"files", "Files", report.files},
           {"links", "Symlinks", report.links},
           {"bytes", "Bytes", Size{report.bytes}},
           {"by_content", "By Content", report.by_content},
           {"changed", "Changed Since", report.changed},
           {"differing", "Differing", report.differing},
           {"missing", "Missing", report.missing},
           {"unreadable", "Unreadable", report.unreadable}}};
}

std::string change_text(const sync::Change& change) {
  const std::string what = fmt::format("{:<14}", to_string(change.kind));
  const std::string slash = change.is_directory ? "/" : "";
  const std::string path = escape_bytes(change.path) + slash;
  if (change.from.empty()) return what + path;
  return what + escape_bytes(change.from) + slash + " -> " + path;
}

}  // namespace wherry::cli
