// SPDX-License-Identifier: Apache-2.0
#include "jobs/stage_request.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/file.h"
#include "base/hash.h"
#include "base/path.h"
#include "jobs/work_directory.h"

namespace wherry::jobs {
namespace {

using RequestLine = engine::TransferItem;
using Recursion = engine::TransferItem::Recursion;

constexpr std::string_view kVersion = "wherry stage request 1";

// ---- text

std::string_view letter(Recursion recursion) {
  switch (recursion) {
    case Recursion::kYes:
      return "r";
    case Recursion::kNo:
      return "f";
    case Recursion::kDetect:
      break;
  }
  return "d";
}

Recursion recursion_of(std::string_view letter) {
  return letter == "r" ? Recursion::kYes : letter == "f" ? Recursion::kNo : Recursion::kDetect;
}

Error damaged(std::string_view line) {
  return make_error(Code::kCorrupt, "the stored request of a stage task cannot be read: '{}'",
                    escape_bytes(line));
}

// The next field of `line`, up to a tab.
std::string_view take_field(std::string_view& line) {
  const std::size_t end = std::min(line.find('\t'), line.size());
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc() && end == text.data() + text.size();
}

Result<RelPath> decode_path(std::string_view text) {
  TRY_ASSIGN(const std::string bytes, unescape_bytes(text));
  return RelPath::parse(bytes);
}

Result<void> decode_line(std::string_view line, StageRequest& request) {
  const std::string_view whole = line;
  const std::string_view kind = take_field(line);
  if (kind == "endpoints") {
    request.source_endpoint = take_field(line);
    request.target_endpoint = take_field(line);
  } else if (kind == "line") {
    RequestLine item;
    item.recursion = recursion_of(take_field(line));
    TRY_ASSIGN(item.source, decode_path(take_field(line)));
    TRY_ASSIGN(item.target, decode_path(take_field(line)));
    request.lines.push_back(std::move(item));
  } else if (kind == "piece") {
    Piece piece;
    const bool is_good =
        parse_number(take_field(line), piece.item) && parse_number(take_field(line), piece.line);
    if (!is_good || piece.line >= request.lines.size()) return damaged(whole);
    request.pieces.push_back(piece);
  } else if (kind == "shared") {
    TRY_ASSIGN(std::string file, unescape_bytes(take_field(line)));
    request.shared_files.push_back(std::move(file));
  } else if (!kind.empty()) {
    return damaged(whole);
  }
  return {};
}

// ---- building

tasks::TaskError error_of(std::string code, std::string description) {
  return {std::move(code), std::move(description)};
}

ItemOutcome failed(ItemId item, tasks::TaskError error) {
  ItemOutcome outcome;
  outcome.item = item;
  outcome.kind = ItemOutcome::Kind::kError;
  outcome.message = error.description;
  outcome.error = std::move(error);
  return outcome;
}

class Builder {
 public:
  Builder(const Site& site, const TransferSettings& settings, const Location& location)
      : site_(site), settings_(settings), location_(location) {}

  Result<void> add(const StageItem& item) {
    const std::size_t lines = built_.request.lines.size();
    const std::size_t pieces = built_.request.pieces.size();
    auto added = item.item.direction == Direction::kIn ? add_input(item) : add_output(item);
    if (added) return {};
    take_back(lines, pieces);
    // A full disk or the like would fail them all for what none of them can help.
    const Error& error = added.error();
    const bool is_of_host = error.retry != Retry::kNever && error.code != Code::kDenied;
    if (is_of_host) return std::move(added).error();
    const std::string code = error.code == Code::kNotFound ? "FILE_NOT_FOUND"
                             : error.code == Code::kDenied ? "PERMISSION_DENIED"
                                                           : "INVALID_PATH";
    built_.outcomes.push_back(failed(item.item.id, error_of(code, error.message)));
    return {};
  }
  BuiltRequest take() { return std::move(built_); }

 private:
  // What an item added that then could not be added as a whole.
  void take_back(std::size_t lines, std::size_t pieces) {
    StageRequest& request = built_.request;
    request.lines.resize(lines);
    request.pieces.resize(pieces);
    if (!request.shared_files.empty()) request.shared_files.resize(lines);
    std::erase_if(by_target_, [&](const auto& entry) { return entry.second >= lines; });
  }

  bool shares(const StageItem& item) const {
    return settings_.share_inputs != TransferSettings::Share::kNo && !item.item.recursive;
  }

  Result<void> add_input(const StageItem& item) {
    TRY_ASSIGN(const RelPath source, remote_path(location_, item.item.remote_path));
    TRY_ASSIGN(const std::string file, input_file(site_, item));
    TRY(make_directories(
            item.item.recursive && input_is_workdir(item) ? file : file.substr(0, file.rfind('/')),
            kDirectoryMode),
        "make the directory of '{}'", escape_bytes(file));
    const std::string place = shares(item) ? shared_place(item, source) : file;
    if (shares(item)) TRY(make_directories(place.substr(0, place.rfind('/')), kDirectoryMode));
    TRY_ASSIGN(const RelPath target, endpoint_path(settings_, site_.path, place));
    return put(item.item.id, {source, target, item.item.recursive}, place, shares(item));
  }

  static bool input_is_workdir(const StageItem& item) { return item.item.local_path == "."; }

  // One place for each file of a location, however many jobs want it.
  std::string shared_place(const StageItem& item, const RelPath& source) const {
    const std::uint64_t key =
        checksum64(fmt::format("{}\n{}", item.item.location_alias, source.text()));
    return fmt::format("{}/{}/{:016x}/{}", site_.data_directory(), kSharedDirectory, key,
                       source.name());
  }

  Result<void> add_output(const StageItem& item) {
    TRY_ASSIGN(const std::string directory, host_directory(site_, item.workdir));
    TRY_ASSIGN(auto found, find_files(directory, item.item.local_path));
    const bool is_pattern = has_wildcards(item.item.local_path);
    if (!item.item.recursive)
      std::erase_if(found, [](const Found& one) { return one.is_directory; });
    if (found.empty()) return add_missing(item, directory);
    const bool into_directory = is_pattern || item.item.remote_path.ends_with('/');
    TRY_ASSIGN(const RelPath remote, remote_path(location_, item.item.remote_path));
    for (const Found& one : found) {
      TRY_ASSIGN(const RelPath source,
                 endpoint_path(settings_, site_.path,
                               one.path.empty() ? directory : directory + "/" + one.path));
      const RelPath target =
          into_directory && !source.is_root() ? remote.child(source.name()) : remote;
      TRY(put(item.item.id, {source, target, one.is_directory}, {}, false));
    }
    return {};
  }

  Result<void> add_missing(const StageItem& item, const std::string& directory) {
    const std::string what =
        fmt::format("output '{}' of the job is missing: no {} '{}' in '{}'", item.item.slot,
                    item.item.recursive ? "entry" : "file", escape_bytes(item.item.local_path),
                    escape_bytes(directory));
    if (item.item.required) {
      built_.outcomes.push_back(failed(item.item.id, error_of("FILE_NOT_FOUND", what)));
      return {};
    }
    ItemOutcome outcome;
    outcome.item = item.item.id;
    outcome.message = what + "; it is optional";
    built_.outcomes.push_back(std::move(outcome));
    return {};
  }

  struct Line {
    RelPath source;
    RelPath target;
    bool recursive = false;
  };
  Result<void> put(ItemId item, const Line& line, const std::string& place, bool shared) {
    StageRequest& request = built_.request;
    const auto known = by_target_.find(line.target);
    if (known != by_target_.end()) {
      if (request.lines[known->second].source != line.source) {
        return make_error(Code::kInvalid,
                          "'{}' and '{}' of one transfer have the same target '{}'; give one of "
                          "them another name",
                          escape_bytes(request.lines[known->second].source.text()),
                          escape_bytes(line.source.text()), escape_bytes(line.target.text()));
      }
      request.pieces.push_back({item, known->second});
      return {};
    }
    const std::uint64_t number = request.lines.size();
    RequestLine made;
    made.source = line.source;
    made.target = line.target;
    made.recursion = line.recursive ? Recursion::kYes : Recursion::kNo;
    request.lines.push_back(std::move(made));
    if (shared) request.shared_files.push_back(place);
    by_target_.emplace(line.target, number);
    request.pieces.push_back({item, number});
    return {};
  }

  const Site& site_;
  const TransferSettings& settings_;
  const Location& location_;
  BuiltRequest built_;
  std::map<RelPath, std::uint64_t> by_target_;
};

}  // namespace

std::string encode(const StageRequest& request) {
  std::string text = fmt::format("{}\nendpoints\t{}\t{}\n", kVersion, request.source_endpoint,
                                 request.target_endpoint);
  for (const RequestLine& line : request.lines) {
    text += fmt::format("line\t{}\t{}\t{}\n", letter(line.recursion),
                        escape_bytes(line.source.text()), escape_bytes(line.target.text()));
  }
  for (const Piece& piece : request.pieces)
    text += fmt::format("piece\t{}\t{}\n", piece.item, piece.line);
  for (const std::string& file : request.shared_files)
    text += fmt::format("shared\t{}\n", escape_bytes(file));
  return text;
}

Result<StageRequest> decode_stage_request(std::string_view text) {
  StageRequest request;
  bool is_first = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (is_first && line != kVersion) return damaged(line);
    if (!is_first) TRY(decode_line(line, request));
    is_first = false;
  }
  const bool is_whole =
      request.shared_files.empty() || request.shared_files.size() == request.lines.size();
  if (is_first || !is_whole) return damaged("");
  return request;
}

Result<std::string> input_file(const Site& site, const StageItem& item) {
  TRY_ASSIGN(const std::string directory, host_directory(site, item.workdir));
  const std::string& local = item.item.local_path;
  TRY_ASSIGN(RelPath below, RelPath::parse(local), "slot '{}'", item.item.slot);
  const bool keeps_name = !item.item.recursive && (below.is_root() || local.ends_with('/'));
  if (keeps_name) {
    TRY_ASSIGN(const RelPath remote, RelPath::parse(item.item.remote_path));
    if (remote.is_root())
      return make_error(Code::kInvalid, "slot '{}': '{}' names no file", item.item.slot,
                        escape_bytes(item.item.remote_path));
    below = below.child(remote.name());
  }
  return below.is_root() ? directory : directory + "/" + below.text();
}

Result<BuiltRequest> build_request(const Site& site, const TransferSettings& settings,
                                   const Location& location, const StagePlaces& places,
                                   std::span<const StageItem> items) {
  Builder builder(site, settings, location);
  for (const StageItem& item : items) TRY(builder.add(item), "transfer item {}", item.item.id);
  BuiltRequest built = builder.take();
  const bool is_in = !items.empty() && items.front().item.direction == Direction::kIn;
  built.request.source_endpoint = is_in ? places.location_endpoint : places.site_endpoint;
  built.request.target_endpoint = is_in ? places.site_endpoint : places.location_endpoint;
  return built;
}

}  // namespace wherry::jobs
