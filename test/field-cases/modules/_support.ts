// What the cases share.

/** Bash that holds on the builder of stack `local`, which is a container, and not on a machine booted from the image. */
export const onBuilder = "systemd-detect-virt --quiet --container";
