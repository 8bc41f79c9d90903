#include "cli.h"

int main(int argc, char** argv) { return varve::app::run_command_line(argc, argv); }
