#include "text/syntax/named_calls.h"

#include <algorithm>

#include "text/syntax/json_scanner.h"
#include "text/syntax/match.h"

namespace varve::text::syntax {

namespace {

constexpr size_t kMaxName = 256;

class NamedCalls final : public Block {
 public:
  explicit NamedCalls(const NamedForm& form) : form_(form), scanner_(form.quote) {}

  Step step(std::string_view text, bool last, CallSink& sink) override {
    if (in_arguments_) return arguments(text, last, sink);
    if (!captures()) {
      if (const size_t spaces = skip_space(text); spaces > 0) return {Status::going, spaces};
    }
    if (at_ == form_.elements.size()) return end(text, last);
    if (text.empty()) {
      // What may follow a whole call need not.
      return last && told_ && only_optional_left() ? Step{Status::done, 0} : Step{Status::more, 0};
    }
    return element(text, last, sink);
  }

 private:
  using Kind = Element::Kind;

  bool captures() const {
    if (at_ == form_.elements.size()) return false;
    const Kind kind = form_.elements[at_].kind;
    return kind == Kind::name || kind == Kind::id || kind == Kind::ignored;
  }

  bool only_optional_left() const {
    return std::all_of(form_.elements.begin() + static_cast<std::ptrdiff_t>(at_), form_.elements.end(),
                       [](const Element& e) { return e.kind == Kind::may || e.kind == Kind::marker; });
  }

  Step element(std::string_view text, bool last, CallSink& sink) {
    const Element& element = form_.elements[at_];
    switch (element.kind) {
      case Kind::marker:
      case Kind::may:
        return marker(element, text, last);
      case Kind::name:
      case Kind::id:
      case Kind::ignored:
        return capture(element, text, last, sink);
      case Kind::arguments:
        break;
    }
    if (text.front() != '{') return no_arguments(text, last, sink);
    scanner_ = JsonScanner(form_.quote);
    in_arguments_ = true;
    sink.begin(name_, id_);
    return {Status::going, 0};
  }

  Step go(size_t used) {
    ++at_;
    return {told_ ? Status::settled : Status::going, used};
  }

  /// What follows the arguments may stand there instead of them.
  Step no_arguments(std::string_view text, bool last, CallSink& sink) {
    const bool behind = at_ + 1 < form_.elements.size();
    const Choice next = behind ? choose(text, form_.elements[at_ + 1].texts, last) : Choice{};
    if (next.matched != Match::yes) return {next.matched == Match::cut ? Status::more : Status::failed, 0};
    sink.begin(name_, id_);
    sink.arguments("{}");
    sink.end();
    told_ = true;
    return go(0);
  }

  Step marker(const Element& element, std::string_view text, bool last) {
    const Choice choice = choose(text, element.texts, last);
    if (choice.matched == Match::cut) return {Status::more, 0};
    const bool there = choice.matched == Match::yes;
    if (there) return go(choice.size);
    if (element.kind == Kind::marker) {
      if (!told_) return {Status::failed, 0};
      at_ = form_.elements.size();  // a call whose end is not marked is whole all the same
      return {Status::going, 0};
    }
    if (at_ + 1 < form_.elements.size() && form_.elements[at_ + 1].kind == Kind::id) ++at_;
    return go(0);
  }

  Step capture(const Element& element, std::string_view text, bool last, CallSink& sink) {
    size_t end = 0;
    while (end < text.size()) {
      const Choice choice = choose(text.substr(end), element.texts, last);
      if (choice.matched == Match::cut) return {Status::more, 0};
      if (choice.matched == Match::yes) break;
      if (++end > kMaxName) return {Status::failed, 0};
    }
    if (end == text.size()) return {Status::more, 0};
    const std::string_view captured = trim(text.substr(0, end));
    if (element.kind == Kind::id) id_ = captured;
    return element.kind == Kind::name ? take_name(captured, end, sink) : go(end);
  }

  Step take_name(std::string_view written, size_t used, CallSink& sink) {
    if (!form_.plain_name.empty() && written == form_.plain_name) {
      return {Status::plain, used + 1};  // with the line end that ends the name
    }
    std::string_view name = written;
    id_.clear();
    if (form_.indexed_names) {
      constexpr std::string_view kPrefix = "functions.";
      if (match(name, kPrefix) == Match::yes) name.remove_prefix(kPrefix.size());
      const size_t colon = name.rfind(':');
      if (colon != std::string_view::npos) id_ = written;
      name = name.substr(0, colon);
    }
    if (!sink.accepts(name)) return {Status::failed, 0};
    name_ = name;
    return go(used);
  }

  Step arguments(std::string_view text, bool last, CallSink& sink) {
    std::string json;
    const JsonScanner::Step scan = scanner_.scan(text, last, json);
    sink.arguments(json);
    if (scan.status == JsonScanner::Status::more) return {Status::more, scan.used};
    if (scan.status == JsonScanner::Status::failed) return {Status::failed, scan.used};
    sink.end();
    in_arguments_ = false;
    told_ = true;
    return go(scan.used);
  }

  // Behind a call: the next one, or the marker that ends the block.
  Step end(std::string_view text, bool last) {
    if (text.empty()) return last ? Step{Status::done, 0} : Step{Status::more, 0};
    const Choice close = choose(text, form_.close, last);
    if (close.matched == Match::yes) return {Status::done, close.size};
    const Element& first = form_.elements.front();
    const Choice again =
        form_.repeats && first.kind == Kind::marker ? choose(text, first.texts, last) : Choice{};
    if (close.matched == Match::cut || again.matched == Match::cut) return {Status::more, 0};
    if (again.matched != Match::yes) return {Status::done, 0};
    at_ = 0;
    told_ = false;
    return {Status::going, 0};
  }

  const NamedForm& form_;
  size_t at_ = 0;  // the element that comes next
  bool in_arguments_ = false;
  bool told_ = false;  // this row's call is complete
  std::string name_;
  std::string id_;
  JsonScanner scanner_;
};

}  // namespace

std::unique_ptr<Block> named_calls(const NamedForm& form) { return std::make_unique<NamedCalls>(form); }

}  // namespace varve::text::syntax
