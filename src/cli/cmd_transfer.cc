// SPDX-License-Identifier: Apache-2.0
// wherry transfer: a task that copies.
#include "base/path.h"
#include "cli/batch_file.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "cli/request_options.h"

namespace wherry::cli {
namespace {

using Recursion = engine::TransferItem::Recursion;

engine::SyncLevel sync_level(const std::string& name) {
  if (name == "exists" || name == "0") return engine::SyncLevel::kMissing;
  if (name == "size" || name == "1") return engine::SyncLevel::kSize;
  if (name == "mtime" || name == "2") return engine::SyncLevel::kNewer;
  if (name == "checksum" || name == "3") return engine::SyncLevel::kChecksum;
  return engine::SyncLevel::kAlways;
}

engine::TransferOptions transfer_options(const Arguments& arguments) {
  using Rule = engine::FilterRule;
  engine::TransferOptions options;
  options.sync_level = sync_level(arguments.text("sync-level"));
  const std::string& symlinks = arguments.text("symlinks");
  if (!symlinks.empty()) options.symlinks = engine::parse_symlink_policy(symlinks).value();
  if (arguments.has("no-verify-checksum")) options.verify = engine::Verify::kSize;
  if (arguments.has("no-flush")) options.durability = engine::Durability::kNoFlush;
  options.preserve_mtime = arguments.has("preserve-mtime");
  options.delete_extra = arguments.has("delete-destination-extra");
  options.skip_source_errors = arguments.has("skip-source-errors");
  options.fail_on_quota_errors = arguments.has("fail-on-quota-errors");
  // The first rule that matches decides, so their order counts. As in globus-cli, the rules are
  // about files: an --exclude '*' must not keep the walk out of every directory.
  for (const auto& [name, value] : arguments.in_order()) {
    if (name == "include")
      options.filters.push_back({Rule::Method::kInclude, value, Rule::Applies::kFiles});
    if (name == "exclude")
      options.filters.push_back({Rule::Method::kExclude, value, Rule::Applies::kFiles});
  }
  return options;
}

// The digest's length tells a slip; its algorithm is MD5 unless one is named.
Result<std::optional<engine::ExternalChecksum>> external_checksum(
    const std::optional<std::string>& digest, const std::optional<std::string>& algorithm) {
  if (!digest) {
    if (algorithm)
      return make_error(Code::kInvalid, "--checksum-algorithm needs --external-checksum");
    return std::optional<engine::ExternalChecksum>();
  }
  engine::ExternalChecksum checksum;
  if (algorithm) {
    TRY_ASSIGN(checksum.algorithm, parse_hash_algorithm(*algorithm));
  }
  checksum.digest = *digest;
  for (char& c : checksum.digest) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  if (checksum.digest.empty() ||
      checksum.digest.find_first_not_of("0123456789abcdef") != std::string::npos)
    return make_error(Code::kInvalid, "'{}' is no checksum in hexadecimal digits",
                      escape_bytes(*digest));
  return std::optional<engine::ExternalChecksum>(std::move(checksum));
}

struct Ends {
  Place source;
  Place target;
};

// Says at once what the task would find out later: a slip should store nothing.
Result<void> check_source(tasks::TransferService& service, const Ends& ends, Recursion recursion) {
  TRY_ASSIGN(const tasks::FileInfo source, service.stat(ends.source.endpoint.id, ends.source.path),
             "look at source '{}'", ends.source.shown());
  if (source.attributes.type == storage::EntryType::kDirectory) {
    if (recursion == Recursion::kYes) return {};
    return make_error(Code::kInvalid,
                      "source '{}' is a directory; to copy all that is in it, add --recursive",
                      ends.source.shown());
  }
  if (recursion == Recursion::kYes || ends.source.ends_in_slash) {
    return make_error(Code::kInvalid, "source '{}' is a file, not a directory; leave out {}",
                      ends.source.shown(),
                      recursion == Recursion::kYes ? "--recursive" : "the '/' at its end");
  }
  return {};
}

Result<void> check_target(tasks::TransferService& service, const Ends& ends, Recursion recursion) {
  const auto target = service.stat(ends.target.endpoint.id, ends.target.path);
  const bool is_directory = target && target->attributes.type == storage::EntryType::kDirectory;
  if (recursion == Recursion::kYes) {
    if (!target || is_directory) return {};
    return make_error(Code::kInvalid,
                      "target '{}' is a file, but the source is a directory; name a directory",
                      ends.target.shown());
  }
  if (!is_directory && !ends.target.ends_in_slash) return {};
  const std::string directory = ends.target.shown();
  return make_error(
      Code::kInvalid,
      "target '{}' is a directory, but the source is a file; name the file too: '{}{}{}'",
      directory, directory, directory.ends_with('/') ? "" : "/",
      escape_bytes(ends.source.path.name()));
}

Recursion recursion_of(const Arguments& arguments) {
  return arguments.has("recursive") ? Recursion::kYes : Recursion::kNo;
}

Result<void> add_typed(Context& context, const Arguments& arguments,
                       tasks::TransferRequest& request) {
  Ends ends;
  TRY_ASSIGN(ends.source, resolve_place(context, arguments.text("SOURCE")));
  TRY_ASSIGN(ends.target, resolve_place(context, arguments.text("TARGET")));
  engine::TransferItem item;
  item.source = ends.source.path;
  item.target = ends.target.path;
  item.recursion = recursion_of(arguments);
  TRY_ASSIGN(item.checksum, external_checksum(arguments.optional_text("external-checksum"),
                                              arguments.optional_text("checksum-algorithm")));
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY(check_source(*service, ends, item.recursion));
  TRY(check_target(*service, ends, item.recursion));
  request.source_endpoint = ends.source.endpoint.id;
  request.target_endpoint = ends.target.endpoint.id;
  request.items.push_back(std::move(item));
  return {};
}

// In a batch, SOURCE and TARGET name the endpoints, and where relative paths count from. A bare
// word is an endpoint's name if there is one, as globus-cli's users write it.
Result<Place> batch_base(Context& context, const std::string& typed) {
  const bool is_word = typed.find_first_of("/:") == typed.npos;
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  if (is_word && service->endpoint(typed)) return resolve_place(context, typed + ":");
  return resolve_place(context, typed);
}

Result<RelPath> batch_path(const Place& base, const std::string& written) {
  TRY_ASSIGN(RelPath path, RelPath::parse(written));
  return written.starts_with('/') ? path : base.path.join(path);
}

Result<engine::TransferItem> batch_item(const Ends& ends, const BatchLine& line) {
  engine::TransferItem item;
  TRY_ASSIGN(item.source, batch_path(ends.source, line.source), "source");
  TRY_ASSIGN(item.target, batch_path(ends.target, line.target), "target");
  item.recursion = line.recursive ? Recursion::kYes : Recursion::kNo;
  TRY_ASSIGN(item.checksum, external_checksum(line.checksum, line.checksum_algorithm));
  return item;
}

Result<void> add_batch(Context& context, const Arguments& arguments,
                       tasks::TransferRequest& request) {
  for (const std::string_view option : {"recursive", "external-checksum", "checksum-algorithm"}) {
    if (!arguments.has(option)) continue;
    return make_error(Code::kInvalid,
                      "--{} does not go with --batch; write it on the lines that need it", option);
  }
  Ends ends;
  TRY_ASSIGN(ends.source, batch_base(context, arguments.text("SOURCE")));
  TRY_ASSIGN(ends.target, batch_base(context, arguments.text("TARGET")));
  request.source_endpoint = ends.source.endpoint.id;
  request.target_endpoint = ends.target.endpoint.id;
  TRY_ASSIGN(const std::string text, read_batch(arguments.text("batch")));
  TRY_ASSIGN(const auto lines, parse_batch(text, BatchKind::kTransfer));
  request.items.reserve(lines.size());
  for (const BatchLine& line : lines) {
    TRY_ASSIGN(engine::TransferItem item, batch_item(ends, line), "batch line {}", line.number);
    request.items.push_back(std::move(item));
  }
  return {};
}

void show_request(Context& context, const tasks::TransferRequest& request) {
  Output::Table table(context.output(), "transfer_item_list",
                      {{"source_path", "Source Path"},
                       {"destination_path", "Destination Path"},
                       {"recursive", "Recursive"},
                       {"external_checksum", "External Checksum", Shown::kNotInText}});
  for (const engine::TransferItem& item : request.items) {
    table.row({Bytes{"/" + item.source.text()}, Bytes{"/" + item.target.text()},
               item.recursion == Recursion::kYes,
               item.checksum ? Value(item.checksum->digest) : Value()});
  }
  table.finish();
}

Result<void> check_combinations(const Arguments& arguments) {
  if (arguments.has("recursive") && arguments.has("no-recursive"))
    return make_error(Code::kInvalid, "--recursive and --no-recursive exclude each other");
  const bool may_recurse = arguments.has("recursive") || arguments.has("batch");
  for (const std::string_view option : {"include", "exclude", "delete-destination-extra"}) {
    if (arguments.has(option) && !may_recurse)
      return make_error(Code::kInvalid, "--{} is for directories; it needs --recursive", option);
  }
  return {};
}

Result<int> transfer(Context& context, const Arguments& arguments) {
  TRY(check_combinations(arguments));
  tasks::TransferRequest request;
  request.options = transfer_options(arguments);
  TRY(fill_request(context, arguments, request));
  TRY(arguments.has("batch") ? add_batch(context, arguments, request)
                             : add_typed(context, arguments, request));
  if (arguments.has("dry-run")) {
    show_request(context, request);
    return kExitDone;
  }
  TRY_ASSIGN(const tasks::Submitted submitted, submit_request(context, request));
  return follow_submitted(context, submitted, where_to_run(arguments));
}

std::vector<OptionSpec> transfer_option_specs() {
  std::vector<OptionSpec> options = {
      {.name = "recursive",
       .short_name = 'r',
       .help = "SOURCE is a directory: copy all that is in it into TARGET."},
      {.name = "no-recursive",
       .help = "SOURCE is a file (this is what is taken without --recursive)."},
      {.name = "batch",
       .value = "FILE",
       .help = "Read 'SOURCE TARGET [--recursive] [--external-checksum HEX] [--checksum-algorithm "
               "NAME]' lines from a file, or from standard input (-).",
       .kind = ValueKind::kFile},
      {.name = "sync-level",
       .short_name = 's',
       .value = "LEVEL",
       .help = "Copy only what is missing at the target (exists), or differs in size (size), or "
               "also is newer at the source (mtime), or differs in content (checksum).",
       .kind = ValueKind::kChoice,
       .choices = {"exists", "size", "mtime", "checksum", "0", "1", "2", "3"}},
      {.name = "include",
       .value = "PATTERN",
       .help = "Copy files whose name matches. The first --include or --exclude that matches "
               "decides; what none matches is copied.",
       .times = OptionSpec::Times::kMany},
      {.name = "exclude",
       .value = "PATTERN",
       .help = "Leave out files whose name matches.",
       .times = OptionSpec::Times::kMany},
      {.name = "preserve-mtime",
       .help = "Give copies the modification time of their source.",
       .other_name = "preserve-timestamp"},
      {.name = "delete-destination-extra",
       .help = "Delete at the target what the source directory does not have.",
       .other_name = "delete"},
      {.name = "skip-source-errors",
       .help = "A source that is missing or may not be read is listed by `wherry task show "
               "--skipped-errors` and is no failure."},
      {.name = "fail-on-quota-errors",
       .help = "End the task if the target is full, instead of waiting for space."},
      {.name = "symlinks",
       .value = "POLICY",
       .help = "What to do with symlinks below SOURCE: leave them out and say so (ignore, the "
               "default), make them again (keep), or copy what they point to (copy).",
       .kind = ValueKind::kChoice,
       .choices = {"ignore", "keep", "copy"},
       .other_name = "recursive-symlinks"},
      {.name = "verify-checksum",
       .help = "Compare checksums of both sides after the copy (the default)."},
      {.name = "no-verify-checksum", .help = "Compare sizes only."},
      {.name = "no-flush",
       .help = "Leave it to the operating system when data reaches the disk; for scratch data."},
      {.name = "external-checksum",
       .value = "HEX",
       .help = "The file must have this checksum, or the task fails.",
       .kind = ValueKind::kText},
      {.name = "checksum-algorithm",
       .value = "NAME",
       .help = "The algorithm of --external-checksum (MD5).",
       .kind = ValueKind::kText},
  };
  for (OptionSpec& option : request_options()) options.push_back(std::move(option));
  return options;
}

}  // namespace

std::span<const Command> transfer_commands() {
  static const Command commands[] = {
      {.name = "transfer",
       .summary = "Copy files or directories, verified, from one endpoint to another.",
       .description =
           "The task is stored before work begins, and a file appears under its name complete and "
           "verified or not at all. Ctrl-C stops in an orderly way; "
           "`wherry task resume` goes on. A file's TARGET is the file itself, not the directory it "
           "goes into; missing directories are made.\n\n"
           "With --batch, SOURCE and TARGET are ENDPOINT: or ENDPOINT:/directory, which relative "
           "paths in the lines count from. Words are split as a shell does, '#' begins a comment.",
       .positionals = {{.name = "SOURCE",
                        .kind = ValueKind::kLocation,
                        .help = "ENDPOINT:/path, or a path of this machine."},
                       {.name = "TARGET",
                        .kind = ValueKind::kLocation,
                        .help = "ENDPOINT:/path, or a path of this machine."}},
       .options = transfer_option_specs(),
       .handler = transfer,
       .examples = {"wherry transfer lab:/run42/ scratch:/run42/ --recursive --sync-level checksum",
                    "wherry transfer lab:/run42/a.tif /tmp/a.tif",
                    "wherry transfer lab:/run42 scratch:/run42 -r --include '*.tif' --exclude '*'",
                    "wherry transfer lab: scratch: --batch files.txt --label 'run 42'"}},
  };
  return commands;
}

}  // namespace wherry::cli
