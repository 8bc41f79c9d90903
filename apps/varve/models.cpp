#include "models.h"

#include <fmt/format.h>

#include "interrupt.h"
#include "progress.h"
#include "terminal.h"

namespace varve::app {

store::Store open_store() { return store::Store(store::Places::from_environment()); }

std::filesystem::path pull_with_bar(const store::Store& store, const store::Card& card) {
  tell("{}: {}\nLicence: {}{}\n", card.name, printable(card.title), printable(card.licence),
       card.home.empty() ? "" : fmt::format(" ({})", printable(card.home)));
  const InterruptScope interrupts(InterruptScope::Signals::ending);
  ProgressBar bar(errors_take_escapes());
  return store.pull(card, [&](const store::PullProgress& progress) {
    using Phase = store::PullProgress::Phase;
    const char* label = progress.phase == Phase::waiting       ? "waiting for another pull"
                        : progress.phase == Phase::downloading ? "downloading"
                                                               : "checking";
    bar.update(label, progress.done, progress.total);
    return !interrupts.pending();
  });
}

store::Located locate_model(const store::Store& store, const std::string& word) {
  Result<store::Located> found = store.resolve(word);
  if (!found)
    throw LoadError({.what = found.error().message, .where = {}, .expected = {}, .found = {}, .advice = {}});
  store::Located located = std::move(found.value());
  if (located.path.empty()) located.path = pull_with_bar(store, *located.card);
  return located;
}

}  // namespace varve::app
