/**
 * A Bash condition that is true on a builder of stack `local`, which is a container, and false on a machine booted from
 * the image.
 */
export const onBuilder = "systemd-detect-virt --quiet --container";
