// SPDX-License-Identifier: Apache-2.0
#include "cli/job_file.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <functional>
#include <limits>

#include "base/options.h"
#include "base/path.h"
#include "cli/csv.h"

namespace wherry::cli {
namespace {

namespace json = boost::json;
using jobs::NewJob;
using jobs::Resources;

const IntegerResource* find_integer(std::string_view name) {
  for (const IntegerResource& resource : integer_resources()) {
    if (resource.name == name) return &resource;
  }
  return nullptr;
}

Result<jobs::JobId> parse_job_id(std::string_view text) {
  jobs::JobId id = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || id < 1)
    return make_error(Code::kInvalid, "'{}' is no job's number", escape_bytes(text));
  return id;
}

Error unknown_name(std::string_view kind, std::string_view name,
                   std::span<const std::string> known) {
  const auto best = nearest(name, known);
  return make_error(Code::kInvalid, "there is no {} '{}'{}", kind, escape_bytes(name),
                    best ? fmt::format("; did you mean '{}'?", *best)
                         : fmt::format("; known are {}", fmt::join(known, ", ")));
}

// ---- CSV

// Puts the value of one column into a job. Empty values are not given at all.
using Setter = std::function<Result<void>(JobLine&, const std::string&)>;

Result<void> set_parents(JobLine& line, const std::string& text) {
  std::size_t begin = 0;
  while ((begin = text.find_first_not_of(" ;", begin)) != text.npos) {
    const std::size_t end = std::min(text.find_first_of(" ;", begin), text.size());
    TRY_ASSIGN(const jobs::JobId id,
               parse_job_id(std::string_view(text).substr(begin, end - begin)));
    line.job.parents.push_back(id);
    begin = end;
  }
  return {};
}

// "tag.run": a column for each key of a map.
Setter map_setter(jobs::TextMap NewJob::*map, std::string key) {
  return [map, key = std::move(key)](JobLine& line, const std::string& text) -> Result<void> {
    (line.job.*map)[key] = text;
    return {};
  };
}

Setter stage_setter(std::string slot) {
  return [slot = std::move(slot)](JobLine& line, const std::string& text) -> Result<void> {
    TRY_ASSIGN(line.job.transfers[slot], jobs::parse_remote_path(text));
    return {};
  };
}

Setter integer_setter(int Resources::*member) {
  return [member](JobLine& line, const std::string& text) -> Result<void> {
    TRY_ASSIGN(const int count, parse_count(text));
    line.resources.numbers.emplace_back(member, count);
    return {};
  };
}

Setter text_setter(std::string NewJob::*member) {
  return [member](JobLine& line, const std::string& text) -> Result<void> {
    line.job.*member = text;
    return {};
  };
}

Result<void> set_gpus(JobLine& line, const std::string& text) {
  TRY_ASSIGN(line.resources.gpus_per_rank, parse_fraction(text));
  return {};
}

Result<Setter> setter_of(const std::string& column) {
  if (column == "workdir") return text_setter(&NewJob::workdir);
  if (column == "app") return text_setter(&NewJob::app);
  if (column == "data") return text_setter(&NewJob::data);
  if (column == "parents") return Setter(set_parents);
  if (column == "gpus_per_rank") return Setter(set_gpus);
  if (const IntegerResource* resource = find_integer(column))
    return integer_setter(resource->member);
  const std::size_t dot = column.find('.');
  if (dot != column.npos && dot + 1 < column.size()) {
    const std::string kind = column.substr(0, dot);
    std::string key = column.substr(dot + 1);
    if (kind == "tag") return map_setter(&NewJob::tags, std::move(key));
    if (kind == "param") return map_setter(&NewJob::parameters, std::move(key));
    if (kind == "stage") return stage_setter(std::move(key));
  }
  std::vector<std::string> known = {"workdir",   "app",        "parents", "tag.KEY",
                                    "param.KEY", "stage.SLOT", "data",    "gpus_per_rank"};
  for (const IntegerResource& resource : integer_resources()) known.emplace_back(resource.name);
  return unknown_name("column", column, known);
}

struct CsvColumn {
  std::string name;
  Setter set;
};

Result<std::vector<CsvColumn>> read_header(const CsvReader::Row& row) {
  std::vector<CsvColumn> columns;
  if (row.fields.size() == 1 && row.fields[0].find_first_of(";\t") != std::string::npos) {
    return make_error(Code::kInvalid, "'{}': columns are separated by commas",
                      escape_bytes(row.fields[0]));
  }
  for (const std::string& name : row.fields) {
    for (const CsvColumn& other : columns) {
      if (other.name == name)
        return make_error(Code::kInvalid, "the column '{}' comes twice", escape_bytes(name));
    }
    TRY_ASSIGN(Setter set, setter_of(name));
    columns.push_back({name, std::move(set)});
  }
  return columns;
}

Result<std::vector<JobLine>> parse_csv(std::string_view text) {
  CsvReader reader(text);
  TRY_ASSIGN(const auto header, reader.next());
  if (!header) return make_error(Code::kInvalid, "there are no jobs in it");
  TRY_ASSIGN(const std::vector<CsvColumn> columns, read_header(*header), "line {}", header->line);
  std::vector<JobLine> lines;
  while (true) {
    TRY_ASSIGN(const auto row, reader.next());
    if (!row) break;
    if (row->fields.size() != columns.size()) {
      return make_error(Code::kInvalid, "line {}: {} fields, but the first line names {} columns",
                        row->line, row->fields.size(), columns.size());
    }
    JobLine line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (row->fields[i].empty()) continue;
      TRY(columns[i].set(line, row->fields[i]), "line {}, column '{}'", row->line,
          escape_bytes(columns[i].name));
    }
    lines.push_back(std::move(line));
  }
  if (lines.empty()) return make_error(Code::kInvalid, "there are no jobs behind the first line");
  return lines;
}

// ---- JSON

Error wrong_kind(std::string_view wanted) {
  return make_error(Code::kInvalid, "must be {}", wanted);
}

Result<std::string> text_of(const json::value& value) {
  if (const json::string* text = value.if_string()) return std::string(*text);
  return wrong_kind("a text");
}

// Names and paths carry bytes that are no UTF-8 as \xHH.
Result<std::string> bytes_of(const json::value& value) {
  TRY_ASSIGN(const std::string text, text_of(value));
  return unescape_bytes(text);
}

Result<jobs::TextMap> map_of(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return wrong_kind("an object");
  jobs::TextMap map;
  for (const auto& [key, member] : *object) {
    if (member.is_object() || member.is_array() || member.is_null())
      return wrong_kind("an object of texts and numbers").with_context(std::string(key));
    map[std::string(key)] =
        member.is_string() ? std::string(member.get_string()) : json::serialize(member);
  }
  return map;
}

Result<int> count_of(const json::value& value) {
  if (!value.is_number()) return wrong_kind("a whole number");
  return parse_count(json::serialize(value));
}

Result<jobs::RemotePath> remote_path_of(const json::value& value) {
  if (value.is_string()) {
    TRY_ASSIGN(const std::string text, bytes_of(value));
    return jobs::parse_remote_path(text);
  }
  const json::object* object = value.if_object();
  if (object == nullptr || object->size() != 2 || !object->contains("location_alias") ||
      !object->contains("path"))
    return wrong_kind("\"ALIAS:/path\" or {\"location_alias\": …, \"path\": …}");
  jobs::RemotePath place;
  TRY_ASSIGN(place.location_alias, text_of(object->at("location_alias")), "location_alias");
  TRY_ASSIGN(place.path, bytes_of(object->at("path")), "path");
  TRY(jobs::check_remote_path(place));
  return place;
}

Result<void> read_transfers(const json::value& value, NewJob& job) {
  const json::object* object = value.if_object();
  if (object == nullptr) return wrong_kind("an object");
  for (const auto& [slot, place] : *object) {
    TRY_ASSIGN(job.transfers[std::string(slot)], remote_path_of(place), "'{}'",
               escape_bytes(std::string_view(slot)));
  }
  return {};
}

Result<void> read_parents(const json::value& value, NewJob& job) {
  const json::array* list = value.if_array();
  if (list == nullptr) return wrong_kind("a list of numbers");
  for (const json::value& each : *list) {
    if (!each.is_number()) return wrong_kind("a list of numbers");
    TRY_ASSIGN(const jobs::JobId id, parse_job_id(json::serialize(each)));
    job.parents.push_back(id);
  }
  return {};
}

Result<void> read_resource(std::string_view key, const json::value& value,
                           ResourceChoice& resources) {
  if (key == "gpus_per_rank") {
    if (!value.is_number()) return wrong_kind("a number");
    const double number = value.to_number<double>();
    if (number < 0) return wrong_kind("a number from 0");
    resources.gpus_per_rank = number;
    return {};
  }
  if (key == "launch_params") {
    TRY_ASSIGN(resources.launch_params, map_of(value));
    return {};
  }
  TRY_ASSIGN(const int count, count_of(value));
  resources.numbers.emplace_back(find_integer(key)->member, count);
  return {};
}

Result<void> read_member(std::string_view key, const json::value& value, JobLine& line) {
  NewJob& job = line.job;
  if (key == "workdir") {
    TRY_ASSIGN(job.workdir, bytes_of(value));
  } else if (key == "app" || key == "app_id") {
    if (value.is_number()) {
      job.app = json::serialize(value);
    } else {
      TRY_ASSIGN(job.app, text_of(value));
    }
  } else if (key == "tags") {
    TRY_ASSIGN(job.tags, map_of(value));
  } else if (key == "parameters") {
    TRY_ASSIGN(job.parameters, map_of(value));
  } else if (key == "transfers") {
    return read_transfers(value, job);
  } else if (key == "parent_ids") {
    return read_parents(value, job);
  } else if (key == "data") {
    if (!value.is_object()) return wrong_kind("an object");
    job.data = json::serialize(value);
  } else if (key == "gpus_per_rank" || key == "launch_params" || find_integer(key) != nullptr) {
    return read_resource(key, value, line.resources);
  } else {
    std::vector<std::string> known = {"workdir",       "app",          "app_id",     "tags",
                                      "parameters",    "transfers",    "parent_ids", "data",
                                      "gpus_per_rank", "launch_params"};
    for (const IntegerResource& resource : integer_resources()) known.emplace_back(resource.name);
    return unknown_name("key", key, known);
  }
  return {};
}

Result<std::vector<JobLine>> parse_json(std::string_view text) {
  json::error_code error;
  const json::value document = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) return make_error(Code::kInvalid, "no valid JSON: {}", error.message());
  const json::array* list = document.if_array();
  if (list == nullptr) return wrong_kind("a list of objects");
  if (list->empty()) return make_error(Code::kInvalid, "there are no jobs in it");
  std::vector<JobLine> lines;
  for (const json::value& each : *list) {
    const json::object* object = each.if_object();
    const std::size_t number = lines.size() + 1;
    if (object == nullptr)
      return wrong_kind("an object").with_context(fmt::format("job {}", number));
    JobLine line;
    for (const auto& [key, value] : *object) {
      const std::string_view name(key.data(), key.size());
      TRY(read_member(name, value, line), "job {}, '{}'", number, escape_bytes(name));
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

Resources ResourceChoice::over(Resources of_app) const {
  for (const auto& [member, value] : numbers) of_app.*member = value;
  if (gpus_per_rank) of_app.gpus_per_rank = *gpus_per_rank;
  if (launch_params) of_app.launch_params = *launch_params;
  return of_app;
}

const std::vector<IntegerResource>& integer_resources() {
  static const std::vector<IntegerResource> all = {
      {"num_nodes", &Resources::num_nodes},
      {"ranks_per_node", &Resources::ranks_per_node},
      {"threads_per_rank", &Resources::threads_per_rank},
      {"threads_per_core", &Resources::threads_per_core},
      {"node_packing_count", &Resources::node_packing_count},
      {"wall_time_min", &Resources::wall_time_min}};
  return all;
}

Result<int> parse_count(std::string_view text) {
  int count = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || count < 0)
    return make_error(Code::kInvalid, "'{}' is no whole number from 0", escape_bytes(text));
  return count;
}

Result<double> parse_fraction(std::string_view text) {
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !(number >= 0) ||
      number > std::numeric_limits<float>::max())
    return make_error(Code::kInvalid, "'{}' is no number from 0", escape_bytes(text));
  return number;
}

Result<std::vector<JobLine>> parse_job_file(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return make_error(Code::kInvalid, "there are no jobs in it");
  return text[begin] == '[' || text[begin] == '{' ? parse_json(text) : parse_csv(text);
}

}  // namespace wherry::cli
