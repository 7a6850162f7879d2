// SPDX-License-Identifier: Apache-2.0
// wherry site: where jobs run. What runs a site is in cmd_site_run.cc.
#include <sys/stat.h>

#include "app/site.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/path.h"
#include "base/shell.h"
#include "cli/commands.h"
#include "cli/job_view.h"
#include "cli/location.h"
#include "cli/login_here.h"
#include "cli/site_files.h"
#include "cli/site_selector.h"
#include "jobs/site_settings.h"
#include "server/site_users.h"

namespace wherry::cli {
namespace {

using jobs::Site;

bool is_there(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

Result<SiteView> view_of(app::Wherry& wherry, const Site& site) {
  SiteView view;
  view.site = site;
  TRY_ASSIGN(view.holder, holder_of(wherry, site.id));
  jobs::JobFilter jobs_here;
  jobs_here.sites = {site.id};
  TRY_ASSIGN(view.jobs, wherry.jobs().jobs.count_by_state(jobs_here));
  jobs::ItemFilter items_here;
  items_here.sites = {site.id};
  TRY_ASSIGN(view.items, wherry.jobs().items.count_by_state(items_here));
  return view;
}

// ---- init, sync

// From the root of this machine, without what is superfluous: "site/" and "." have last parts, too.
Result<RelPath> typed_directory(const std::string& text) {
  TRY_ASSIGN(const std::string absolute, absolute_local_path(text));
  return RelPath::parse(absolute);
}

// Before any file is made.
Result<void> check_new(app::Wherry& wherry, const std::string& name, const std::string& path) {
  if (name.empty() || escape_bytes(name) != name) {
    return make_error(Code::kInvalid, "'{}' cannot be the name of a site; give one with --name",
                      escape_bytes(name));
  }
  TRY_ASSIGN(const auto sites, wherry.jobs().sites.list());
  for (const Site& site : sites) {
    if (site.path == path) {
      return make_error(Code::kAlreadyExists, "'{}' is site '{}' already", escape_bytes(path),
                        escape_bytes(site.name));
    }
    if (site.name == name && site.owner == wherry.owner()) {
      return make_error(Code::kAlreadyExists, "there is a site '{}' already, at '{}'",
                        escape_bytes(name), escape_bytes(site.path));
    }
  }
  return {};
}

Result<int> init(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const RelPath below_root, typed_directory(arguments.text("PATH")));
  const std::string path = "/" + below_root.text();
  const std::string name = arguments.optional_text("name").value_or(std::string(below_root.name()));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY(check_new(*wherry, name, path));
  TRY(lay_out_site(path), "make the site '{}'", escape_bytes(path));
  TRY_ASSIGN(const SiteFiles files, read_site_files(path));
  jobs::Stores& stores = wherry->jobs();
  TRY_ASSIGN(const Site site, stores.sites.create(name, path, wherry->owner(), files.settings));
  TRY(apply_site_files(stores, site, files));
  if (context.output().format() == Format::kText) {
    context.output().raw(fmt::format(
        "Site {} '{}' made at {}\n"
        "Its locations: {}/settings.yml, its apps: {}/apps/; then: wherry site sync {}\n"
        "To run it: wherry site start {}\n",
        site.id, escape_bytes(site.name), escape_bytes(path), escape_bytes(path),
        escape_bytes(path), shell_quote(site.name), shell_quote(site.name)));
    return kExitDone;
  }
  TRY_ASSIGN(const SiteView view, view_of(*wherry, site));
  context.output().record(site_record(view));
  return kExitDone;
}

Result<int> sync_site(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const Site site, find_site(context, arguments.text("SITE")));
  TRY_ASSIGN(const SiteFiles files, read_site_files(site.path));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const auto changes, apply_site_files(wherry->jobs(), site, files));
  Output::Table table(context.output(), "site_change_list",
                      {{"what", "What"}, {"change", "Change"}});
  for (const SiteChange& change : changes)
    table.row({change.what, std::string(to_string(change.kind))});
  table.finish();
  return kExitDone;
}

// ---- looking

Result<int> list_sites(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const auto sites, wherry->jobs().sites.list());
  const bool is_long = arguments.has("verbose");
  std::vector<Column> columns = site_columns();
  for (Column& column : columns) {
    if (is_long) column.shown = Shown::kAlways;
  }
  Output::Table table(context.output(), "site_list", std::move(columns));
  for (const Site& site : sites) {
    TRY_ASSIGN(const SiteView view, view_of(*wherry, site));
    table.row(site_row(view));
  }
  table.finish();
  return kExitDone;
}

Result<int> show_site(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const Site site, find_site(context, arguments.text("SITE")));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const SiteView view, view_of(*wherry, site));
  context.output().record(site_record(view));
  return kExitDone;
}

Result<int> sample_settings(Context& context, const Arguments&) {
  context.output().raw(jobs::sample_site_settings());
  return kExitDone;
}

// ---- changing

Result<void> refuse_if_run(app::Wherry& wherry, const Site& site) {
  TRY_ASSIGN(const auto holder, holder_of(wherry, site.id));
  if (!holder) return {};
  return make_error(Code::kConflict, "site '{}' is run by {}; first: wherry site stop {}",
                    escape_bytes(site.name), describe(*holder), escape_bytes(site.name));
}

Result<int> remove_site(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const Site site, find_site(context, arguments.text("SITE")));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY(refuse_if_run(*wherry, site));
  TRY_ASSIGN(const SiteView view, view_of(*wherry, site));
  std::uint64_t open = 0;
  for (const auto& [state, count] : view.jobs) open += is_final(state) ? 0 : count;
  if (open > 0 && !arguments.has("force")) {
    return make_error(Code::kConflict, "site '{}' still has {} to finish; --force forgets that",
                      escape_bytes(site.name), jobs_text(open));
  }
  using Tasks = jobs::Sites::Tasks;
  const bool leaves_tasks = arguments.has("leave-tasks");
  if (arguments.has("force") && !leaves_tasks) {
    TRY(app::remove_site(*wherry, site));
  } else {
    TRY(wherry->jobs().sites.remove(site.id, leaves_tasks ? Tasks::kAreLeft : Tasks::kMustBeNone));
  }
  TRY(server::SiteUsers(wherry->database(), system_clock()).remove_all(site.id));
  context.output().message("Removed",
                           fmt::format("Site '{}' with its apps and jobs is forgotten;"
                                       " the files in {} stay",
                                       escape_bytes(site.name), escape_bytes(site.path)));
  return kExitDone;
}

Result<int> rename_site(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const Site site, find_site(context, arguments.text("SITE")));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY(wherry->jobs().sites.rename(site.id, arguments.text("NAME")));
  context.output().message("Renamed", fmt::format("Site {} is now called '{}'", site.id,
                                                  escape_bytes(arguments.text("NAME"))));
  return kExitDone;
}

// The directory is moved unless somebody (an interrupted call of this, maybe) has moved it already.
Result<int> move(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const Site site, find_site(context, arguments.text("SITE")));
  TRY_ASSIGN(const std::string target, absolute_local_path(arguments.text("PATH")));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY(refuse_if_run(*wherry, site));
  const bool is_moved = !is_there(site.path) && is_there(target + "/settings.yml");
  if (!is_moved) {
    if (is_there(target))
      return make_error(Code::kAlreadyExists, "'{}' exists already", escape_bytes(target));
    TRY(durable_rename(site.path, target));
  }
  TRY(wherry->jobs().sites.move(site.id, target));
  context.output().message("Moved", fmt::format("Site '{}' is now at {}", escape_bytes(site.name),
                                                escape_bytes(target)));
  return kExitDone;
}

// ---- login

// Of --service, of the site where one is, or Globus.
Result<std::string> service_to_log_in(Context& context) {
  TRY_ASSIGN(const bool is_named, context.is_elsewhere());
  if (is_named) {
    TRY_ASSIGN(const Options* settings, context.settings());
    return settings->text("service");
  }
  const auto site = find_site(context, "");
  if (!site) return std::string("globus");
  TRY_ASSIGN(const jobs::SiteSettings settings, jobs::parse_site_settings(site->settings));
  return settings.transfers.service == "local" ? std::string("globus") : settings.transfers.service;
}

Result<int> globus_login(Context& context, const Arguments& arguments) {
  std::vector<std::string> scopes;
  for (const std::string& id : arguments.all("endpoint")) {
    TRY_ASSIGN(std::string scope, data_access_scope(id), "--endpoint");
    scopes.push_back(std::move(scope));
  }
  TRY_ASSIGN(const std::string service, service_to_log_in(context));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(app::RemoteService * remote, wherry->remote(service));
  return log_in_here(context, *remote,
                     arguments.has("no-local-server") ? Browser::kElsewhere : Browser::kHere,
                     scopes);
}

}  // namespace

std::span<const Command> site_commands() {
  static const Command commands[] = {
      {.name = "site init",
       .summary = "Make a site: a directory in which jobs run.",
       .description = "It gets settings.yml (where data comes from and goes to), apps/ (what jobs"
                      " run), data/ (where they run) and log/. Edit the first two, then `wherry"
                      " site sync`.",
       .positionals = {{.name = "PATH",
                        .kind = ValueKind::kFile,
                        .help = "The directory: new, empty, or with a settings.yml in it."}},
       .options = {{.name = "name",
                    .short_name = 'n',
                    .value = "NAME",
                    .help = "What it is called (the last part of its path)."}},
       .handler = init,
       .examples = {"wherry site init ~/beamline -n beamline"}},
      {.name = "site ls",
       .summary = "List the sites and what their processes last did; with -v, all about them.",
       .handler = list_sites},
      {.name = "site show",
       .summary = "Show a site: who runs it, what it needs, how its jobs stand.",
       .positionals = {site_positional()},
       .handler = show_site},
      {.name = "site sync",
       .summary = "Put settings.yml and apps/*.yml of a site into force: all, or nothing.",
       .description = "A process that runs the site takes them over; what is being moved goes on.",
       .positionals = {site_positional()},
       .handler = sync_site},
      {.name = "site rename",
       .summary = "Give a site another name.",
       .positionals = {named_site_positional(), {.name = "NAME", .help = "The new name."}},
       .handler = rename_site},
      {.name = "site mv",
       .summary = "Move a site to another directory of this machine.",
       .positionals = {named_site_positional(),
                       {.name = "PATH",
                        .kind = ValueKind::kFile,
                        .help = "Its new directory, which does not exist yet."}},
       .handler = move},
      {.name = "site rm",
       .summary = "Forget a site with its apps and jobs; files stay.",
       .positionals = {named_site_positional()},
       .options = {{.name = "force",
                    .short_name = 'f',
                    .help = "Also if it has jobs that have not ended; what is being moved for them"
                            " is cancelled."},
                   {.name = "leave-tasks",
                    .help = "Leave transfer tasks that are under way as they are: for a service"
                            " that is gone for good."}},
       .handler = remove_site},
      {.name = "site sample-settings",
       .summary = "Print a settings.yml with every key and its default.",
       .handler = sample_settings},
      {.name = "site globus-login",
       .summary = "Log in at the service that moves data for a site.",
       .description = "That of the site in whose directory you are, or Globus.",
       .options = {{.name = "endpoint",
                    .short_name = 'e',
                    .value = "ENDPOINT_ID",
                    .help = "Agree that data of this endpoint may be read and written.",
                    .times = OptionSpec::Times::kMany},
                   {.name = "no-local-server",
                    .help = "Log in with a browser on another machine: the page shows a code to"
                            " paste here."}},
       .handler = globus_login},
  };
  return commands;
}

}  // namespace wherry::cli
