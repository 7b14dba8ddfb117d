source "null" "a" {
  b = [for x in var.y : x if x != ""]
  c   = <<-EOT
    ${upper("x")}
  EOT
}
