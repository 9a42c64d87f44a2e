// Debian's Android tools with accepted licences and variables. Google's packages can't be downloaded here.
import type { Root } from "../../../provision/module.ts";

export const description = "Installs Android's tools";

export function modify(_name: string, root: Root): void {
  root.packages(["adb", "android-sdk-platform-tools-common", "aapt", "zipalign", "apksigner"]);
  root.run(`
    mkdir -p /opt/android-sdk/licenses
    printf '\\n24333f8a63b6825ea9c5514f83c2829b004d1fee' >/opt/android-sdk/licenses/android-sdk-license
    sed -i '/^ANDROID_HOME=/d' /etc/environment; echo ANDROID_HOME=/opt/android-sdk >>/etc/environment
    mkdir -p /root/.android; touch /root/.android/repositories.cfg`);
  root.check(
    "the tools start and the licence is accepted",
    "adb version && aapt version && [ -s /opt/android-sdk/licenses/android-sdk-license ]",
    { timeoutSeconds: 120 },
  );
}
