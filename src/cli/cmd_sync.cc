// SPDX-License-Identifier: Apache-2.0
// wherry sync add, list, show, status, history, pause, resume, remove: what syncs there are.
#include <sys/stat.h>

#include <cerrno>

#include "base/file.h"
#include "base/path.h"
#include "base/random.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "cli/sync_view.h"

namespace wherry::cli {
namespace {

using sync::SyncDefinition;

Result<sync::SyncService*> syncs_of(Context& context) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  return wherry->syncs();
}

Result<sync::Place> sync_place(Context& context, const std::string& typed) {
  TRY_ASSIGN(const Place place, resolve_place(context, typed));
  return sync::Place{place.endpoint.id, place.path};
}

// "HOST_DIRECTORY=/PATH": where what the endpoint calls PATH is on this machine. Counts for what is
// PATH or below it, by whole components from the front.
Result<std::string> source_on_host(Context& context, const sync::Place& source,
                                   const std::string& mapping) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY_ASSIGN(const endpoints::Endpoint endpoint, service->endpoint(source.endpoint));
  const std::size_t equals = mapping.find('=');
  if (equals == mapping.npos || !mapping.starts_with('/')) {
    return make_error(Code::kInvalid, "'{}' is not of the form /DIRECTORY=/PATH",
                      escape_bytes(mapping));
  }
  TRY_ASSIGN(const RelPath below, resolve_path_elsewhere(endpoint, mapping.substr(equals + 1)));
  if (!source.path.is_within(below)) {
    return make_error(Code::kInvalid, "the source '/{}' is not in '/{}'",
                      escape_bytes(source.path.text()), escape_bytes(below.text()));
  }
  TRY_ASSIGN(const RelPath host, RelPath::parse(mapping.substr(0, equals)));
  const std::string directory = "/" + host.join(source.path.relative_to(below)).text();
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0)
    return errno_error(errno, fmt::format("look at '{}'", escape_bytes(directory)));
  if (!S_ISDIR(status.st_mode))
    return make_error(Code::kInvalid, "'{}' is no directory", escape_bytes(directory));
  return directory;
}

// Elsewhere: at which service, and where the source is here, if it is.
Result<void> take_service(Context& context, const Arguments& arguments,
                          SyncDefinition& definition) {
  TRY_ASSIGN(const bool elsewhere, context.is_elsewhere());
  if (elsewhere) {
    TRY_ASSIGN(const Options* settings, context.settings());
    definition.service = settings->text("service");
  }
  const auto mapping = arguments.optional_text("source-root");
  if (!mapping) return {};
  if (!elsewhere) {
    return make_error(Code::kInvalid,
                      "--source-root is for a service on another machine; here the endpoint says"
                      " where its files are");
  }
  TRY_ASSIGN(definition.source.host, source_on_host(context, definition.source, *mapping),
             "--source-root");
  return {};
}

// The first rule that matches decides, so their order counts; they are about files.
std::vector<engine::FilterRule> filters_of(const Arguments& arguments) {
  using Rule = engine::FilterRule;
  std::vector<Rule> rules;
  for (const auto& [name, value] : arguments.in_order()) {
    if (name == "include") rules.push_back({Rule::Method::kInclude, value, Rule::Applies::kFiles});
    if (name == "exclude") rules.push_back({Rule::Method::kExclude, value, Rule::Applies::kFiles});
  }
  return rules;
}

Result<SyncDefinition> definition_of(Context& context, const Arguments& arguments) {
  SyncDefinition definition;
  definition.name = arguments.text("NAME");
  TRY_ASSIGN(definition.source, sync_place(context, arguments.text("SOURCE")), "SOURCE");
  TRY_ASSIGN(definition.target, sync_place(context, arguments.text("TARGET")), "TARGET");
  TRY(take_service(context, arguments, definition));
  definition.every = arguments.duration("every").value_or(definition.every);
  definition.cron = arguments.text("cron");
  definition.settle = arguments.duration("settle").value_or(definition.settle);
  if (arguments.has("deletions")) {
    TRY_ASSIGN(definition.deletions, sync::parse_deletions(arguments.text("deletions")));
  }
  definition.max_delete = arguments.percent("max-delete").value_or(definition.max_delete);
  if (arguments.has("symlinks")) {
    TRY_ASSIGN(definition.symlinks, engine::parse_symlink_policy(arguments.text("symlinks")));
  }
  definition.filters = filters_of(arguments);
  definition.label_pattern = arguments.optional_text("label").value_or(definition.label_pattern);
  if (const auto files = arguments.integer("batch-files"))
    definition.batch_size = static_cast<std::size_t>(*files);
  if (arguments.has("no-verify-checksum")) definition.verify = engine::Verify::kSize;
  definition.preserve_mtime = !arguments.has("no-preserve-mtime");
  definition.renames = !arguments.has("no-renames");
  definition.trust_directories = arguments.has("trust-directories");
  definition.full_every = arguments.duration("full-every").value_or(definition.full_every);
  return definition;
}

Result<int> add(Context& context, const Arguments& arguments) {
  if (arguments.has("every") && arguments.has("cron"))
    return make_error(Code::kInvalid, "--every and --cron exclude each other");
  TRY_ASSIGN(const SyncDefinition wanted, definition_of(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(sync::SyncService * syncs, wherry->syncs());
  TRY_ASSIGN(const SyncDefinition added, syncs->add(wanted), "add sync '{}'",
             escape_bytes(wanted.name));
  if (context.output().format() == Format::kText) {
    context.output().raw(fmt::format("Sync '{}' added. Its first pass: wherry sync run {}\n",
                                     added.name, added.name));
  } else {
    EndpointNames names(wherry->service());
    context.output().record(sync_record(added, names));
  }
  return kExitDone;
}

Result<int> list_syncs(Context& context, const Arguments&) {
  TRY_ASSIGN(sync::SyncService * syncs, syncs_of(context));
  TRY_ASSIGN(const std::vector<SyncDefinition> found, syncs->list());
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  EndpointNames names(wherry->service());
  Output::Table table(context.output(), "sync_list", sync_columns());
  for (const SyncDefinition& definition : found) table.row(sync_row(definition, names));
  table.finish();
  return kExitDone;
}

Result<int> show_sync(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(sync::SyncService * syncs, syncs_of(context));
  TRY_ASSIGN(const SyncDefinition definition, syncs->get(arguments.text("NAME")));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  EndpointNames names(wherry->service());
  context.output().record(sync_record(definition, names));
  return kExitDone;
}

Result<int> pause(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(sync::SyncService * syncs, syncs_of(context));
  TRY(syncs->pause(arguments.text("NAME")));
  context.output().message("Paused", "The sync is paused; `wherry sync resume` lets it go on");
  return kExitDone;
}

Result<int> resume_sync(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(sync::SyncService * syncs, syncs_of(context));
  TRY(syncs->resume(arguments.text("NAME")));
  context.output().message("Resumed", "The sync goes on with its next pass");
  return kExitDone;
}

Result<int> remove_sync(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(sync::SyncService * syncs, syncs_of(context));
  TRY(syncs->remove(arguments.text("NAME")));
  context.output().message("Removed",
                           "The sync, its history and its catalog are gone; the files on both"
                           " sides stay");
  return kExitDone;
}

Result<int> history(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(sync::SyncService * syncs, syncs_of(context));
  const auto limit = static_cast<std::size_t>(arguments.integer("limit").value_or(20));
  TRY_ASSIGN(const auto passes, syncs->history(arguments.text("NAME"), limit));
  Output::Table table(context.output(), "sync_pass_list", pass_columns());
  for (const sync::PassRecord& pass : passes) table.row(pass_row(pass));
  table.finish();
  return kExitDone;
}

const PositionalSpec kName = {
    .name = "NAME", .kind = ValueKind::kSync, .help = "The sync, as `wherry sync list` shows."};

std::vector<OptionSpec> add_options() {
  return {
      {.name = "every",
       .value = "TIME",
       .help = "How long `wherry sync watch` waits between two full scans (1h; 5m for a source"
               " elsewhere, and with --symlinks copy).",
       .kind = ValueKind::kDuration},
      {.name = "cron",
       .value = "'M H D M W'",
       .help = "When `wherry sync watch` scans in full: five fields as in a crontab, local time."},
      {.name = "settle",
       .value = "TIME",
       .help = "Leave files alone that changed within this time (10s); a later pass takes them.",
       .kind = ValueKind::kDuration},
      {.name = "deletions",
       .value = "WHAT",
       .help = "What is gone from the source stays at the target (keep, the default), is deleted"
               " there too (propagate), or is moved aside into .wherry-archive (archive).",
       .kind = ValueKind::kChoice,
       .choices = {"keep", "propagate", "archive"}},
      {.name = "max-delete",
       .value = "PERCENT",
       .help = "Stop a pass that finds more than this share of the known files gone (50%).",
       .kind = ValueKind::kPercent},
      {.name = "symlinks",
       .value = "POLICY",
       .help = "Leave symlinks out and say so (ignore, the default), make them again (keep), or"
               " copy what they point to (copy).",
       .kind = ValueKind::kChoice,
       .choices = {"ignore", "keep", "copy"}},
      {.name = "include",
       .value = "PATTERN",
       .help = "Copy files whose name matches. The first --include or --exclude that matches"
               " decides; what none matches is copied.",
       .times = OptionSpec::Times::kMany},
      {.name = "exclude",
       .value = "PATTERN",
       .help = "Leave out files whose name matches.",
       .times = OptionSpec::Times::kMany},
      {.name = "label",
       .value = "PATTERN",
       .help = "The label of the tasks of a pass, by strftime (AUTO_%Y-%m-%d_%H%M%S)."},
      {.name = "source-root",
       .value = "DIRECTORY=/PATH",
       .help = "With --service: what the source's endpoint calls PATH is DIRECTORY on this machine,"
               " so that it is scanned and watched here instead of being listed over the network.",
       .kind = ValueKind::kFile},
      {.name = "batch-files",
       .value = "N",
       .help = "At most N files in one task (20000).",
       .kind = ValueKind::kInteger},
      {.name = "no-verify-checksum", .help = "Compare sizes only after the copy."},
      {.name = "no-preserve-mtime", .help = "Let copies have the time at which they were made."},
      {.name = "no-renames",
       .help = "Send renamed files anew instead of renaming them at the target."},
      {.name = "trust-directories",
       .help = "Do not look into directories whose own times are unchanged: quick, but a file that"
               " is rewritten in place goes unnoticed until the next full scan."},
      {.name = "full-every",
       .value = "TIME",
       .help = "How often --trust-directories looks at everything all the same (1d).",
       .kind = ValueKind::kDuration},
  };
}

}  // namespace

std::span<const Command> sync_commands() {
  static const Command commands[] = {
      {.name = "sync add",
       .summary = "Keep a directory mirrored at another endpoint.",
       .description = "Nothing is moved yet: `wherry sync run NAME` makes one pass, `wherry sync "
                      "watch` keeps the mirror up to date.",
       .positionals = {{.name = "NAME", .help = "Letters, digits, '-', '_' and '.'."},
                       {.name = "SOURCE",
                        .kind = ValueKind::kLocation,
                        .help = "The directory to mirror: ENDPOINT:/path, or a path of this"
                                " machine."},
                       {.name = "TARGET",
                        .kind = ValueKind::kLocation,
                        .help = "Where its copy is to be; made if it is missing."}},
       .options = add_options(),
       .handler = add,
       .examples =
           {"wherry sync add frames detector:/2018/ archive:/2018/ --every 15m",
            "wherry sync add run42 lab:~/data/run42/ cluster:/scratch/run42/ --service globus"
            " --source-root /data=/~/data",
            "wherry sync add home ~/results archive:/results --deletions propagate"
            " --max-delete 10%"}},
      {.name = "sync list", .summary = "List all syncs.", .handler = list_syncs},
      {.name = "sync show",
       .summary = "Show how a sync is set up.",
       .positionals = {kName},
       .handler = show_sync},
      {.name = "sync history",
       .summary = "List the passes of a sync, the newest first.",
       .positionals = {kName},
       .options = {{.name = "limit",
                    .value = "N",
                    .help = "At most N passes (20).",
                    .kind = ValueKind::kInteger}},
       .handler = history},
      {.name = "sync pause",
       .summary = "Make no passes of a sync until it is resumed.",
       .positionals = {kName},
       .handler = pause},
      {.name = "sync resume",
       .summary = "Let a paused sync go on.",
       .positionals = {kName},
       .handler = resume_sync},
      {.name = "sync remove",
       .summary = "Forget a sync; the files on both sides stay.",
       .positionals = {kName},
       .handler = remove_sync},
  };
  return commands;
}

}  // namespace wherry::cli
