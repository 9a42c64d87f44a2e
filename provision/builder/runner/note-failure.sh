ci_images_failure=${BASH_ENV%preamble}failure
unset BASH_ENV
trap 'case $- in *e*) printf "%s %s\n%s\n" "$LINENO" "$?" "$BASH_COMMAND" >>"$ci_images_failure" ;; esac' ERR
