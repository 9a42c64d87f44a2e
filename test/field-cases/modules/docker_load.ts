// A registry on the builder with a hand-made image for module docker_images. Docker Hub can't be reached here.
import type { Root } from "../../../provision/module.ts";

export const description = "Runs a registry that contains an image";

/** A Python script that writes an archive with one layer in the format of `docker save`. */
const writeArchive = `\
import hashlib, io, json, sys, tarfile
layer = open(sys.argv[1], "rb").read()
config = json.dumps({
    "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/busybox", "echo", "hello"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
}).encode()
name = hashlib.sha256(config).hexdigest() + ".json"
manifest = json.dumps([{"Config": name, "RepoTags": ["field:1"], "Layers": ["layer.tar"]}]).encode()
with tarfile.open(sys.argv[2], "w") as archive:
    for path, content in ((name, config), ("layer.tar", layer), ("manifest.json", manifest)):
        entry = tarfile.TarInfo(path)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
`;

export function modify(_name: string, root: Root): void {
  root.packages(["docker-registry", "skopeo", "busybox-static"]);
  root.run(`
    sed -i '/^auth:/,/^    path:/d' /etc/docker/registry/config.yml
    systemctl restart docker-registry
    work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/root/bin"; cp /bin/busybox "$work/root/bin/"
    tar -C "$work/root" -cf "$work/layer.tar" .
    cat >"$work/write.py" <<'END_OF_PYTHON'
${writeArchive}END_OF_PYTHON
    python3 "$work/write.py" "$work/layer.tar" "$work/image.tar"
    skopeo copy --retry-times 20 --dest-tls-verify=false "docker-archive:$work/image.tar" docker://localhost:5000/field:1
    systemctl disable docker-registry`);
  root.check("a container of the image runs", `[ "$(docker run --rm localhost:5000/field:1)" = hello ]`, {
    timeoutSeconds: 600,
  });
}
