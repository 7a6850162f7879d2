// SPDX-License-Identifier: Apache-2.0
// wherry app: what the jobs of a site run.
#include <map>

#include "base/path.h"
#include "cli/commands.h"
#include "cli/job_view.h"
#include "cli/site_files.h"
#include "cli/site_selector.h"
#include "jobs/app_file.h"

namespace wherry::cli {
namespace {

using jobs::App;

Result<int> list_apps(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const auto sites, sites_option(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const std::vector<App> apps, wherry->jobs().apps.list(sites));
  TRY_ASSIGN(const auto all, wherry->jobs().sites.list());
  std::map<jobs::SiteId, std::string> names;
  for (const jobs::Site& site : all) names[site.id] = site.name;
  Output::Table table(context.output(), "app_list",
                      app_columns(arguments.has("verbose") ? Detail::kLong : Detail::kShort));
  for (const App& app : apps) table.row(app_row(app, names[app.site]));
  table.finish();
  return kExitDone;
}

Result<int> show_app(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const jobs::Site site, site_option(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const App app, wherry->jobs().apps.find(site.id, arguments.text("APP")));
  context.output().record(app_record(app, site.name));
  return kExitDone;
}

// Touches no state: for editors and for files that are no site's yet.
Result<int> check_app(Context& context, const Arguments& arguments) {
  for (const std::string& file : arguments.all("FILE")) {
    TRY_ASSIGN(const App app, read_app_file(file), "'{}'", escape_bytes(file));
    context.output().record(app_record(app, ""));
  }
  return kExitDone;
}

Result<int> sample(Context& context, const Arguments&) {
  context.output().raw(jobs::sample_app());
  return kExitDone;
}

Result<int> remove_app(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const jobs::Site site, site_option(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  jobs::Apps& apps = wherry->jobs().apps;
  TRY_ASSIGN(const App app, apps.find(site.id, arguments.text("APP")));
  TRY(apps.remove(
      app.id, arguments.has("force") ? jobs::Apps::Jobs::kGoToo : jobs::Apps::Jobs::kMustBeNone));
  context.output().message(
      "Removed", fmt::format("App '{}' is forgotten; a file of it in {}/apps would bring it back",
                             escape_bytes(app.name), escape_bytes(site.path)));
  return kExitDone;
}

const PositionalSpec kApp = {
    .name = "APP", .kind = ValueKind::kApp, .help = "Name or number, as `wherry app ls` shows."};

}  // namespace

std::span<const Command> app_commands() {
  static const Command commands[] = {
      {.name = "app ls",
       .summary = "List the apps of sites; with -v, all about them.",
       .options = {sites_option_spec()},
       .handler = list_apps},
      {.name = "app show",
       .summary = "Show an app: its command, parameters and transfer slots.",
       .positionals = {kApp},
       .options = {site_option_spec()},
       .handler = show_app},
      {.name = "app check",
       .summary = "Look whether the files of apps are right, without using them.",
       .positionals = {{.name = "FILE",
                        .kind = ValueKind::kFile,
                        .help = "The files.",
                        .count = PositionalSpec::Count::kOneOrMore}},
       .handler = check_app,
       .examples = {"wherry app check apps/compress.yml"}},
      {.name = "app sample", .summary = "Print a sample of an app's file.", .handler = sample},
      {.name = "app rm",
       .summary = "Forget an app.",
       .positionals = {kApp},
       .options = {{.name = "force", .short_name = 'f', .help = "With all its jobs."},
                   site_option_spec()},
       .handler = remove_app},
  };
  return commands;
}

}  // namespace wherry::cli
