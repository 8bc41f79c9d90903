#pragma once
// A text to measure the trained tiny model on, as it tells them itself.
namespace varve::test {

#define VARVE_STORY_BEGINS                                                                                 \
  "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, " \
  "she saw a big, red ball. She wanted to play with it, but it was too high."

inline constexpr const char* kStoryBegins = VARVE_STORY_BEGINS;
inline constexpr const char* kStory = VARVE_STORY_BEGINS
    " Lily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do. She said, "
    "\"I want to play with your ball, but I can't find it.\"";

#undef VARVE_STORY_BEGINS

}  // namespace varve::test
