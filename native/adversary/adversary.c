/*
 * The adversary of `arc verify`: one small static program that runs inside a sandbox, tries what must be refused and
 * tells what it saw. It judges nothing: facts go out, one a line, and src/domain/verify/ says what is right.
 *
 *   adversary [look] [own-kernel] [press] [stay] [canary=PATH] [reach TARGET...]
 *   adversary serve        a neighbour, which answers whoever comes
 */
#include "base.h"
#include "calls.h"
#include "limits.h"
#include "reach.h"
#include "self.h"
#include "surroundings.h"

int main(int argc, char **argv) {
  int looks = 0, own_kernel = 0, stays = 0, presses = 0, first_target = argc;
  const char *sought = 0;
  signal(SIGPIPE, SIG_IGN);
  for (int i = 1; i < argc && first_target == argc; i++) {
    if (!strcmp(argv[i], "serve")) serve();
    else if (!strcmp(argv[i], "look")) looks = 1;
    else if (!strcmp(argv[i], "press")) presses = 1;
    else if (!strcmp(argv[i], "own-kernel")) own_kernel = 1;
    else if (!strcmp(argv[i], "stay")) stays = 1;
    else if (!strncmp(argv[i], "canary=", 7)) sought = argv[i] + 7;
    else if (!strcmp(argv[i], "reach")) first_target = i + 1;
    else return fprintf(stderr, "adversary: %s is not known\n", argv[i]), 2;
  }
  if (looks) {
    look_at_self();
    look_around();
    try_calls(own_kernel);
  } else {
    namespaces();
  }
  if (sought) canary(sought);
  reach(argv + first_target, argc - first_target);
  if (presses) press(own_kernel);
  fact("end", "yes");
  if (!stays) return 0;
  signal(SIGTERM, SIG_DFL);
  for (;;) {
    while (waitpid(-1, 0, WNOHANG) > 0) {}
    usleep(100000);
  }
}
