// embed MODEL TEXT: continues a text with a model, as any program can that links varve::varve.
#include <cstdio>

#include "core/error.h"
#include "runtime/loaded_model.h"

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: embed MODEL TEXT\n"), 2;
  using namespace varve;
  try {
    const auto model = runtime::LoadedModel::open(argv[1], {.precision = ops::Precision::exact});
    engine::Request request;
    request.prompt = engine::TextPrompt{.text = argv[2]};
    request.sampling.temperature = 0;
    request.limits.max_tokens = 40;
    const auto submitted = model->engine().submit(std::move(request), [](engine::Event event) {
      if (const auto* answer = std::get_if<engine::AnswerEvent>(&event))
        std::fputs(engine::said(*answer).c_str(), stdout);
    });
    if (!submitted) return std::fprintf(stderr, "%s\n", submitted.error().message.c_str()), 1;
    model->engine().run();
  } catch (const LoadError& error) {
    return std::fprintf(stderr, "%s\n", error.what()), 1;
  }
  std::puts("");
  return 0;
}
