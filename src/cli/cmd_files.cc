// SPDX-License-Identifier: Apache-2.0
// wherry ls, stat, mkdir, rename: file operations that are done when the command answers.
#include <fnmatch.h>

#include <deque>

#include "base/path.h"
#include "cli/commands.h"
#include "cli/location.h"

namespace wherry::cli {
namespace {

using storage::EntryType;
using tasks::FileInfo;

// What the file system refused is a failure (exit 1), not a wrong command line (exit 2).
template <class T>
Result<T> asked_of_the_world(Result<T> result) {
  if (!result && result.error().code == Code::kInvalid) result.error().code = Code::kConflict;
  return result;
}

std::string type_of(const FileInfo& file) {
  if (file.link_is_broken) return "invalid_symlink";
  return std::string(to_string(file.attributes.type));
}

std::vector<Column> file_columns() {
  return {{"permissions", "Permissions"},
          {"user", "User"},
          {"group", "Group"},
          {"size", "Size"},
          {"last_modified", "Last Modified"},
          {"type", "File Type"},
          {"name", "Filename"},
          {"link_target", "Link Target", Shown::kNotInText}};
}

Value link_target_of(const FileInfo& file) {
  if (!file.is_link) return {};
  return Bytes{file.link_target};
}

std::vector<Value> file_row(const FileInfo& file, const std::string& name) {
  const bool is_directory = file.attributes.type == EntryType::kDirectory;
  return {fmt::format("{:04o}", file.attributes.mode),
          file.user,
          file.group,
          file.attributes.size,
          file.attributes.mtime,
          type_of(file),
          Bytes{is_directory ? name + "/" : name},
          link_target_of(file)};
}

// Lists directories breadth first, as globus-cli does, and writes entries as they come.
class Lister {
 public:
  Lister(Context& context, const Arguments& arguments)
      : context_(context),
        hidden_(arguments.has("all")),
        is_short_(context.output().format() == Format::kText && !arguments.has("long")),
        depth_(
            arguments.has("recursive")
                ? static_cast<std::size_t>(arguments.integer("recursive-depth-limit").value_or(3))
                : 0),
        filter_(arguments.text("filter")) {
    if (filter_.starts_with('~')) filter_.erase(0, 1);  // "~*.txt" is globus-cli's way to write it
  }

  Result<void> run(tasks::TransferService& service, const Place& place) {
    if (!is_short_) table_.emplace(context_.output(), "file_list", file_columns());
    std::deque<Directory> waiting = {{place.path, "", 0}};
    while (!waiting.empty()) {
      const Directory directory = std::move(waiting.front());
      waiting.pop_front();
      auto files = asked_of_the_world(service.list(place.endpoint.id, directory.path));
      if (!files && directory.depth > 0) {  // one unreadable directory does not hide the others
        context_.err() << fmt::format("wherry: {}\n", files.error().message);
        is_partial_ = true;
        continue;
      }
      TRY_ASSIGN(const std::vector<FileInfo> found, std::move(files), "list '{}'", place.shown());
      for (const FileInfo& file : found) {
        if (!hidden_ && file.name.starts_with('.')) continue;
        show(file, directory.shown + file.name);
        // A link to a directory is listed and not entered: it may lead back up.
        if (file.attributes.type == EntryType::kDirectory && !file.is_link &&
            directory.depth < depth_) {
          waiting.push_back({directory.path.child(file.name), directory.shown + file.name + "/",
                             directory.depth + 1});
        }
      }
    }
    if (table_) table_->finish();
    return {};
  }

  bool is_partial() const { return is_partial_; }

 private:
  struct Directory {
    RelPath path;
    std::string shown;  // below the place, with a slash at the end
    std::size_t depth;
  };

  void show(const FileInfo& file, const std::string& name) {
    if (!filter_.empty() && ::fnmatch(filter_.c_str(), file.name.c_str(), 0) != 0) return;
    if (table_) {
      table_->row(file_row(file, name));
      return;
    }
    const bool is_directory = file.attributes.type == EntryType::kDirectory;
    context_.output().raw(escape_bytes(name) + (is_directory ? "/\n" : "\n"));
  }

  Context& context_;
  bool hidden_;
  bool is_short_;
  std::size_t depth_;
  std::string filter_;
  bool is_partial_ = false;
  std::optional<Output::Table> table_;
};

Result<int> ls(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY_ASSIGN(const Place place, resolve_place(context, arguments.text("PATH")));
  Lister lister(context, arguments);
  TRY(lister.run(*service, place));
  return lister.is_partial() ? kExitFailed : kExitDone;
}

Result<int> stat(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY_ASSIGN(const Place place, resolve_place(context, arguments.text("PATH")));
  TRY_ASSIGN(const FileInfo file, asked_of_the_world(service->stat(place.endpoint.id, place.path)),
             "look at '{}'", place.shown());
  context.output().record(
      {"file",
       {{"name", "Name", Bytes{file.name}},
        {"type", "Type", type_of(file)},
        {"last_modified", "Last Modified", file.attributes.mtime},
        {"size", "Size", file.attributes.size},
        {"permissions", "Permissions", fmt::format("{:04o}", file.attributes.mode)},
        {"user", "User", file.user},
        {"group", "Group", file.group},
        {"link_target", "Link Target", link_target_of(file),
         file.is_link ? Shown::kAlways : Shown::kNotInText}}});
  return kExitDone;
}

Result<int> mkdir(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY_ASSIGN(const Place place, resolve_place(context, arguments.text("PATH")));
  TRY(asked_of_the_world(service->make_directory(place.endpoint.id, place.path)),
      "make directory '{}'", place.shown());
  context.output().message("DirectoryCreated", "The directory was created successfully");
  return kExitDone;
}

Result<int> rename_file(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY_ASSIGN(const Place from, resolve_place(context, arguments.text("OLD")));
  TRY_ASSIGN(const Place to, resolve_place(context, arguments.text("NEW")));
  if (from.endpoint.id != to.endpoint.id) {
    return make_error(Code::kInvalid,
                      "'{}' and '{}' are on different endpoints; rename works within one (to move"
                      " between endpoints: wherry transfer, then wherry rm)",
                      from.shown(), to.shown());
  }
  TRY(asked_of_the_world(service->rename(from.endpoint.id, from.path, to.path)),
      "rename '{}' to '{}'", from.shown(), to.shown());
  context.output().message("FileRenamed", "File or directory renamed successfully");
  return kExitDone;
}

const PositionalSpec kPath = {.name = "PATH",
                              .kind = ValueKind::kLocation,
                              .help = "ENDPOINT:/path, or a path of this machine."};

}  // namespace

std::span<const Command> file_commands() {
  static const Command commands[] = {
      {.name = "ls",
       .summary = "List a directory.",
       .description = "Names that begin with a dot are listed with --all. Directories end in '/'.",
       .positionals = {kPath},
       .options =
           {{.name = "long",
             .short_name = 'l',
             .help = "Show permissions, owner, size, time and type."},
            {.name = "all", .short_name = 'a', .help = "Also names that begin with a dot."},
            {.name = "recursive", .short_name = 'r', .help = "Also what is in directories below."},
            {.name = "recursive-depth-limit",
             .value = "N",
             .help = "How many levels --recursive goes down (3).",
             .kind = ValueKind::kInteger},
            {.name = "filter", .value = "PATTERN", .help = "Only names that match, e.g. '*.tif'."}},
       .handler = ls,
       .examples = {"wherry ls -l lab:/run42/", "wherry ls -r --filter '*.tif' lab:/run42"}},
      {.name = "stat",
       .summary = "Show what is known of one file or directory.",
       .positionals = {kPath},
       .handler = stat},
      {.name = "mkdir", .summary = "Make a directory.", .positionals = {kPath}, .handler = mkdir},
      {.name = "rename",
       .summary = "Rename or move a file or directory within an endpoint.",
       .description = "Refuses to replace what bears the new name.",
       .positionals = {{.name = "OLD", .kind = ValueKind::kLocation, .help = "What there is."},
                       {.name = "NEW",
                        .kind = ValueKind::kLocation,
                        .help = "What it becomes, on the same endpoint."}},
       .handler = rename_file,
       .examples = {"wherry rename lab:/run42 lab:/run42-old"}},
  };
  return commands;
}

}  // namespace wherry::cli
