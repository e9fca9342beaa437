// SPDX-License-Identifier: GPL-2.0-only
// svma: cross-checks the module's shadows with the live kernel, and shows them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "cmd/commands.hpp"
#include "lib/error.hpp"

int main(int argc, char** argv) {
  CLI::App app("A second opinion on Linux memory management: what an address space really did.",
               "svma");
  svma::Invocation invocation;
  app.add_flag("--json", invocation.json, "Print JSON on stdout instead of text");
  app.set_version_flag("--version", fmt::format("svma {} (interface {})", SVMA_VERSION, SVMA_ABI));
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Exit status: 0 all answers equal, 1 a divergence, 2 could not check.");
  svma::add_check(app, invocation);
  svma::add_generate(app, invocation);
  svma::add_maps(app, invocation);
  svma::add_tree(app, invocation);
  svma::add_gaps(app, invocation);
  svma::add_journal(app, invocation);
  svma::add_why(app, invocation);
  svma::add_stat(app, invocation);
  svma::add_probes(app, invocation);
  svma::add_rmap(app, invocation);
  svma::add_walk(app, invocation);
  svma::add_page(app, invocation);
  svma::add_semantics(app, invocation);
  svma::add_layout(app, invocation);
  svma::add_picture(app, invocation);

  try {
    app.parse(argc, argv);
    return invocation.run();
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "svma: {}; see svma --help\n", error.what());
  } catch (const std::exception& error) {
    fmt::print(stderr, "svma: {}\n", error.what());
  }
  return svma::kExitCouldNotCheck;
}
