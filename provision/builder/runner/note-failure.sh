ci_images_failure=${BASH_ENV%preamble}failure
unset BASH_ENV
trap '[[ $- != *e* || -s $ci_images_failure ]] || printf "%s\n%s" "$LINENO" "$BASH_COMMAND" >"$ci_images_failure"' ERR
