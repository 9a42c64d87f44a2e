// An account's filled Maven repository, and a custom certificate authority in Java's trust store.
import type { Root } from "../../../provision/module.ts";

export const description = "Fills a local Maven repository";

export function modify(_name: string, root: Root): void {
  root.packages(["maven", "ca-certificates-java"]);
  root.run(`
    id field-maven >/dev/null 2>&1 || useradd --create-home field-maven
    install -d -o field-maven -g field-maven /home/field-maven/.m2
    printf '<settings><interactiveMode>false</interactiveMode></settings>\\n' >/home/field-maven/.m2/settings.xml
    chown field-maven: /home/field-maven/.m2/settings.xml
    runuser -u field-maven -- env HOME=/home/field-maven mvn -q -B dependency:get -Dartifact=junit:junit:4.13.2
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=field -keyout /dev/null -out /opt/field-ca.pem 2>/dev/null
    keytool -importcert -noprompt -cacerts -storepass changeit -alias field -file /opt/field-ca.pem 2>/dev/null || keytool -list -cacerts -storepass changeit -alias field`);
  root.check(
    "the artefact and the settings exist",
    "[ -s /home/field-maven/.m2/repository/junit/junit/4.13.2/junit-4.13.2.jar ] && [ -s /home/field-maven/.m2/settings.xml ]",
  );
  root.check(
    "Java trusts the authority",
    "keytool -list -cacerts -storepass changeit -alias field | grep -q trustedCertEntry",
    { timeoutSeconds: 120 },
  );
}
