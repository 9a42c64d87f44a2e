/** A shell script that makes a folder deeper than PATH_MAX (4096 bytes) below the working folder, enters it, and writes a file there. */
export const makeDeepTree = `name=$(printf 'd%.0s' {1..200}); for i in {1..25}; do mkdir "$name"; cd "$name"; done; echo deep >file`;
