// A proxy that only the company's network has. The worker's boot must not depend on it.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Sets a proxy everywhere";

const proxy = "http://proxy.example.invalid:3128";

export function modify(_name: string, root: Root): void {
  root.run(`
    sed -i -E '/^(https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)=/d' /etc/environment
    printf 'http_proxy=${proxy}\\nhttps_proxy=${proxy}\\nHTTP_PROXY=${proxy}\\nHTTPS_PROXY=${proxy}\\nno_proxy=localhost,127.0.0.1,169.254.169.254,.example.invalid\\n' >>/etc/environment
    printf 'Acquire::http::Proxy "${proxy}";\\nAcquire::https::Proxy "${proxy}";\\n' >/etc/apt/apt.conf.d/95field-proxy
    mkdir -p /etc/systemd/system.conf.d
    printf '[Manager]\\nDefaultEnvironment="http_proxy=${proxy}" "https_proxy=${proxy}"\\n' >/etc/systemd/system.conf.d/field-proxy.conf
    printf 'export http_proxy=${proxy} https_proxy=${proxy}\\n' >/etc/profile.d/field-proxy.sh
    printf '[global]\\nproxy = ${proxy}\\n' >/etc/pip.conf`);
  root.check(
    "apt and logins use the proxy",
    `apt-config dump Acquire::http::Proxy | grep -q ${proxy} && [ "$(su - ${root.loginUser} -c 'echo $https_proxy')" = ${proxy} ]`,
  );
  root.check(
    "services on the image use the proxy",
    `${onBuilder} || systemctl show-environment | grep -q '^http_proxy=${proxy}'`,
  );
}
