// SPDX-License-Identifier: Apache-2.0
// wherry rm and wherry delete: tasks that delete.
#include "base/path.h"
#include "cli/batch_file.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "cli/request_options.h"
#include "engine/filter.h"

namespace wherry::cli {
namespace {

// Says at once what the task would find out, for a path that was typed: a slip should store
// nothing.
Result<void> check_typed_path(tasks::TransferService& service, const Place& place,
                              const engine::DeleteOptions& options) {
  TRY(refuse_root(place));
  if (options.interpret_globs && engine::is_delete_glob(place.path.name())) return {};
  const auto file = service.stat(place.endpoint.id, place.path);
  if (!file) {
    if (file.error().code == Code::kNotFound && options.ignore_missing) return {};
    return Error(file.error()).with_context(fmt::format("look at '{}'", place.shown()));
  }
  const bool is_directory =
      file->attributes.type == storage::EntryType::kDirectory && !file->is_link;
  if (is_directory && !options.recursive) {
    return make_error(Code::kInvalid,
                      "'{}' is a directory; to delete it with all that is in it, add --recursive",
                      place.shown());
  }
  return {};
}

// A bare "~" is what remains of a home directory that a shell did not expand.
Result<void> refuse_tilde(const std::string& typed) {
  if (typed != "~" && typed != "~/" && !typed.ends_with(":~") && !typed.ends_with(":~/")) return {};
  return make_error(Code::kInvalid,
                    "'{}' looks like a home directory that was not expanded; write its path in full"
                    " (for a file of that name: './~')",
                    typed);
}

// "DIR/.." is far more than DIR, and seldom meant; rm(1) refuses it as well.
Result<void> refuse_dots(const std::string& typed) {
  const std::string_view whole = typed;
  const std::size_t end = whole.find_last_not_of('/') + 1;
  const std::size_t begin = whole.substr(0, end).find_last_of("/:") + 1;
  const std::string_view last = whole.substr(begin, end - begin);
  if (last != "." && last != "..") return {};
  return make_error(Code::kInvalid, "'{}' ends in '{}'; write the name of what is to be deleted",
                    escape_bytes(typed), last);
}

Result<void> add_typed(Context& context, const Arguments& arguments,
                       tasks::DeleteRequest& request) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  for (const std::string& typed : arguments.all("PATH")) {
    TRY(refuse_tilde(typed));
    TRY(refuse_dots(typed));
    TRY_ASSIGN(const Place place, resolve_place(context, typed));
    TRY(check_typed_path(*service, place, request.options));
    if (!request.endpoint.empty() && request.endpoint != place.endpoint.id) {
      return make_error(Code::kInvalid,
                        "'{}' is on another endpoint than the paths before it; delete from one"
                        " endpoint at a time",
                        place.shown());
    }
    request.endpoint = place.endpoint.id;
    request.items.push_back({place.path});
  }
  return {};
}

// In a batch, the one PATH names the endpoint and the directory that relative lines count from.
Result<void> add_batch(Context& context, const Arguments& arguments,
                       tasks::DeleteRequest& request) {
  if (arguments.all("PATH").size() != 1)
    return make_error(Code::kInvalid,
                      "with --batch give one PATH: ENDPOINT:, or a directory that"
                      " the lines count from");
  TRY_ASSIGN(Place base, resolve_place(context, arguments.text("PATH")));
  request.endpoint = base.endpoint.id;
  TRY_ASSIGN(const std::string text, read_batch(arguments.text("batch")));
  TRY_ASSIGN(const auto lines, parse_batch(text, BatchKind::kPaths));
  for (const BatchLine& line : lines) {
    TRY_ASSIGN(const RelPath path, RelPath::parse(line.source), "batch line {}", line.number);
    Place place = base;
    place.path = line.source.starts_with('/') ? path : base.path.join(path);
    TRY(refuse_root(place), "batch line {}", line.number);
    TRY(refuse_dots(line.source), "batch line {}", line.number);
    request.items.push_back({place.path});
  }
  return {};
}

void show_request(Context& context, const tasks::DeleteRequest& request) {
  Output::Table table(context.output(), "delete_item_list", {{"path", "Path"}});
  for (const engine::DeleteItem& item : request.items) table.row({Bytes{"/" + item.path.text()}});
  table.finish();
}

Result<int> submit(Context& context, const Arguments& arguments, tasks::DeleteRequest& request) {
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

Result<int> delete_paths(Context& context, const Arguments& arguments) {
  tasks::DeleteRequest request;
  request.options.recursive = arguments.has("recursive");
  request.options.ignore_missing = arguments.has("ignore-missing");
  request.options.interpret_globs = arguments.has("enable-globs");
  return submit(context, arguments, request);
}

Result<int> rm(Context& context, const Arguments& arguments) {
  tasks::DeleteRequest request;
  request.options.recursive = arguments.has("recursive");
  request.options.ignore_missing = arguments.has("ignore-missing");
  request.options.interpret_globs = !arguments.has("no-enable-globs");
  return submit(context, arguments, request);
}

std::vector<OptionSpec> options_and(std::vector<OptionSpec> own) {
  for (OptionSpec& option : request_options()) own.push_back(std::move(option));
  return own;
}

const OptionSpec kRecursive = {
    .name = "recursive",
    .short_name = 'r',
    .help = "Delete directories with all that is in them. Symlinks are deleted, never followed."};
const OptionSpec kIgnoreMissing = {
    .name = "ignore-missing", .short_name = 'f', .help = "What does not exist is no error."};

}  // namespace

std::span<const Command> delete_commands() {
  static const Command commands[] = {
      {.name = "rm",
       .summary = "Delete files and directories; wildcards in the last name are expanded.",
       .description = "Runs a delete task and waits for it. Quote wildcards that your shell should "
                      "leave alone. The root of an endpoint is never deleted.",
       .positionals = {{.name = "PATH",
                        .kind = ValueKind::kLocation,
                        .help = "ENDPOINT:/path, or a path of this machine.",
                        .count = PositionalSpec::Count::kOneOrMore}},
       .options =
           options_and({kRecursive,
                        kIgnoreMissing,
                        {.name = "no-enable-globs", .help = "Take * ? [ ] in names literally."}}),
       .handler = rm,
       .examples = {"wherry rm scratch:/run42/tmp.dat", "wherry rm -r 'scratch:/run4?'"}},
      {.name = "delete",
       .summary = "Delete files and directories, also many from a batch file.",
       .description =
           "The same as rm, but names are taken literally unless --enable-globs is given. A batch "
           "has one path a line; words are split as a shell does, '#' begins a comment.",
       .positionals = {{.name = "PATH",
                        .kind = ValueKind::kLocation,
                        .help = "ENDPOINT:/path, or a path of this machine; with --batch, where "
                                "relative lines count from.",
                        .count = PositionalSpec::Count::kOneOrMore}},
       .options = options_and({kRecursive,
                               kIgnoreMissing,
                               {.name = "enable-globs", .help = "Expand * ? [ ] in the last name."},
                               {.name = "batch",
                                .value = "FILE",
                                .help = "Read the paths from a file, or from standard input (-).",
                                .kind = ValueKind::kFile}}),
       .handler = delete_paths,
       .examples = {"wherry delete --recursive scratch:/run42",
                    "wherry delete scratch: --batch old-files.txt"}},
  };
  return commands;
}

}  // namespace wherry::cli
