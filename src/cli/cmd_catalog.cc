// SPDX-License-Identifier: Apache-2.0
// wherry catalog: looks into the file that holds what a sync has confirmed.
#include "base/path.h"
#include "catalog/reader.h"
#include "cli/commands.h"
#include "cli/location.h"

namespace wherry::cli {
namespace {

using catalog::Reader;

Result<std::unique_ptr<Reader>> open(const Arguments& arguments) {
  TRY_ASSIGN(const std::string path, absolute_local_path(arguments.text("FILE")));
  return Reader::open(path);
}

Record totals(const Reader& reader) {
  return {"catalog",
          {{"note", "Note", std::string(reader.note())},
           {"directories", "Directories", reader.totals().directories},
           {"files", "Files", reader.totals().files},
           {"symlinks", "Symlinks", reader.totals().symlinks},
           {"bytes", "Bytes", Size{reader.totals().bytes}}}};
}

void add_rows(Output::Table& table, const catalog::DirectoryEntries& decoded) {
  const std::string& directory = decoded.directory.path;
  const std::string before = directory.empty() ? "" : directory + "/";
  for (const catalog::Entry& entry : decoded.entries) {
    const catalog::Observation& seen = entry.observation;
    table.row({std::string(to_string(seen.type)), fmt::format("{:04o}", seen.mode), seen.size,
               TimePoint(std::chrono::nanoseconds(seen.mtime_ns)),
               Bytes{before + std::string(entry.name)}, seen.inode,
               static_cast<double>(seen.ctime_ns) / 1e9, Bytes{std::string(entry.symlink_target)}});
  }
}

// The entries of all directories, or of DIRECTORY and those below it.
Result<void> list_entries(Context& context, const Reader& reader, const RelPath& from) {
  TRY_ASSIGN(const auto first, reader.find(from.text()));
  if (!first) {
    return make_error(Code::kNotFound, "the catalog has no directory '{}'",
                      escape_bytes(from.text()));
  }
  Output::Table table(context.output(), "catalog_entry_list",
                      {{"type", "Type"},
                       {"permissions", "Permissions"},
                       {"size", "Size"},
                       {"last_modified", "Last Modified"},
                       {"path", "Path"},
                       {"inode", "Inode", Shown::kNotInText},
                       {"ctime", "Status Changed", Shown::kNotInText},
                       {"link_target", "Link Target", Shown::kNotInText}});
  catalog::DirectoryEntries decoded;
  for (std::uint64_t at = *first; at < reader.directory_count(); ++at) {
    TRY(reader.read(at, decoded));
    // What is below a directory follows it without a gap.
    if (!RelPath::from_normal(decoded.directory.path).is_within(from)) break;
    add_rows(table, decoded);
  }
  table.finish();
  return {};
}

Result<int> show_catalog(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const auto reader, open(arguments));
  const std::string& directory = arguments.text("DIRECTORY");
  if (directory.empty() && !arguments.has("entries")) {
    context.output().record(totals(*reader));
    return kExitDone;
  }
  TRY_ASSIGN(const RelPath from, RelPath::parse(directory));
  TRY(list_entries(context, *reader, from));
  return kExitDone;
}

Result<int> check_catalog(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const auto reader, open(arguments));
  TRY(reader->check());
  context.output().message("Sound",
                           fmt::format("The catalog is sound: {} files in {} directories",
                                       reader->totals().files, reader->totals().directories));
  return kExitDone;
}

const PositionalSpec kFile = {
    .name = "FILE",
    .kind = ValueKind::kFile,
    .help = "The catalog, e.g. catalogs/NAME.catalog in the state directory."};

}  // namespace

std::span<const Command> catalog_commands() {
  static const Command commands[] = {
      {.name = "catalog show",
       .summary = "Show what a catalog holds.",
       .positionals = {kFile,
                       {.name = "DIRECTORY",
                        .help = "List what is in and below this directory of the tree.",
                        .count = PositionalSpec::Count::kOptional}},
       .options = {{.name = "entries", .short_name = 'e', .help = "List every entry."}},
       .handler = show_catalog},
      {.name = "catalog check",
       .summary = "Verify every checksum, order and count of a catalog.",
       .positionals = {kFile},
       .handler = check_catalog},
  };
  return commands;
}

}  // namespace wherry::cli
