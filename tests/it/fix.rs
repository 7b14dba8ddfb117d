//! `imgbuild fix`.

use crate::support::Env;

#[test]
fn the_fixed_template_is_printed_and_checked() {
    let env = Env::new();
    let template = r#"{"builders": [{"type": "amazon-ebs", "ssh_wait_timeout": "9m"}], "_comment": "<kept>"}"#;
    env.write("t.json", template);
    let want = "{\n  \"_comment\": \"<kept>\",\n  \"builders\": [\n    {\n      \"ssh_timeout\": \"9m\",\n      \"type\": \"amazon-ebs\"\n    }\n  ]\n}\n\n";
    assert_eq!(env.run(["fix", "t.json"]).expect(0).stdout, want);
}

#[test]
fn a_template_that_is_still_wrong() {
    let env = Env::new();
    env.write("t.json", r#"{"builders": [{"type": "null"}], "provisioners": [{"type": "shell", "only": ["x"]}]}"#);
    env.run(["fix", "t.json"]).expect(1).has("\"only\"").has("'only' specified builder 'x' not found");
    env.run(["fix", "-validate=false", "t.json"]).expect(0);
    env.write("t.pkr.hcl", "");
    env.run(["fix", "t.pkr.hcl"]).expect(1).has("only legacy JSON templates");
    env.run(["fix", "nothing.json"]).expect(1).has("nothing.json");
    env.run(["fix", "--help"]).expect(0).has("spot-price-auto-product");
}
