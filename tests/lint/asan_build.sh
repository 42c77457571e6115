#!/bin/bash
# The programs of asan.sh are built, while there is time.
make -s asan-build && echo "ok everything builds with the sanitizers"
