//! The order as it is read and sent: the documented fields in their order, texts borrowed from the record.

use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order<'r> {
    #[serde(rename = "_id")]
    pub id: &'r str,
    pub number: i64,
    pub client_id: Option<&'r str>,
    pub phone: &'r str,
    pub address: Option<&'r str>,
    pub cost: i64,
    pub weight: i64,
    pub username: &'r str,
    pub condition: &'r str,
    pub delivery: bool,
    pub delivery_cost: Option<i64>,
    #[serde(borrow)]
    pub discount: Option<Discount<'r>>,
    pub additional_information: Option<&'r str>,
    pub delivery_calculate_manually: Option<bool>,
    pub time: Option<i64>,
    pub products_sum: i64,
    #[serde(borrow)]
    pub products: Vec<OrderedProduct<'r>>,
    pub is_test_order: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Deserialize, Serialize)]
pub struct Discount<'r> {
    #[serde(rename = "type")]
    pub kind: &'r str,
    pub percent: f64,
}

#[derive(Deserialize, Serialize)]
pub struct OrderedProduct<'r> {
    pub cost: i64,
    pub weight: i64,
    pub number: i64,
    #[serde(borrow)]
    pub product: Option<Product<'r>>,
    #[serde(borrow)]
    pub variant: Option<Variant<'r>>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Product<'r> {
    #[serde(rename = "_id")]
    pub id: &'r str,
    pub visible: bool,
    pub title: &'r str,
    pub description: &'r str,
    #[serde(borrow)]
    pub ingredients: Vec<&'r str>,
    #[serde(borrow)]
    pub images: Vec<&'r str>,
    #[serde(rename = "type")]
    pub kind: &'r str,
    pub cost: i64,
    pub weight: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variant<'r> {
    #[serde(rename = "_id")]
    pub id: &'r str,
    pub title: &'r str,
    pub visible: bool,
    pub image: Option<&'r str>,
    pub icon: Option<&'r str>,
    pub cost: i64,
    pub weight: i64,
    pub created_at: i64,
    pub updated_at: i64,
}
